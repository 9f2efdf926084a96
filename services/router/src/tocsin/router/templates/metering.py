"""The meter that stops a template while it renders.

minijinja's fuel counts instructions, not what they cost: text printed in a loop, or a filter over a long list, is one
instruction. So before each tag and in each turn of a loop stands a call of the meter (`compiling`): it charges the characters
of fixed text and looks at the clock of the CPU. Everything printed passes the meter as well (minijinja's finalizer).
"""

import time
from typing import Any, Final, NoReturn

from tocsin.router.templates.texts import WrongValue, escaped, text_of

CPU_SECONDS: Final = 0.008
"""What one notification may take of a CPU, on all its channels together; waiting for one does not count."""
SECOND_CHANCE_SECONDS: Final = 0.02
"""What a template has of a CPU when it did not come to its end the first time, which need not have been its own fault."""
PRINTED_CHARS: Final = 2 * 1024 * 1024
"""What may be printed, also into variables, and repeated in loops; what remains is then held against the output cap."""


class Exceeded(Exception):
    """The template was stopped. The message says at which bound."""


class TookTooLong(Exceeded):
    """Stopped at the bound on time. The clock also counts what the interpreter did meanwhile, such as collecting garbage."""


class Meter:
    """Counts one render; `start` begins the next."""

    __slots__ = ("_deadline", "_prints", "_seldom", "_spent")

    def __init__(self) -> None:
        self._spent = 0
        self._prints = 0
        self._seldom = 0
        self._deadline = 0.0

    def start(self, seconds: float) -> None:
        """A message begins: its parts share the time."""
        self._deadline = time.thread_time() + seconds

    def part(self, *, costly: bool) -> None:
        """A part begins: it prints into its own account. `costly`: look at the clock at each print, not at each 16th."""
        self._spent = 0
        self._prints = 0
        self._seldom = 0 if costly else 15

    def tick(self, chars: int) -> str:
        """Charge fixed text about to be printed; Exceeded at a bound. Prints as nothing."""
        self._spend(chars)
        self._look()
        return ""

    def again(self, chars: int) -> bool:
        """`tick`, as a condition that holds."""
        self._spend(chars)
        self._look()
        return True

    # These two run for every value of every message: what they share is written twice, and calls nothing that it need not.
    def printed(self, value: Any) -> str | int | float:
        """What is printed for a value in plain text; lists and objects are refused."""
        self._prints += 1
        if not self._prints & self._seldom:  # the look costs as much as the print
            self._look()
        if not isinstance(value, str):
            return self._number_or_text(value)
        self._spent += len(value)
        if self._spent > PRINTED_CHARS:
            self._stop()
        text: str = value
        return text

    def printed_in_html(self, value: Any) -> str | int | float:
        """What is printed for a value in HTML: escaped, unless it is safe."""
        self._prints += 1
        if not self._prints & self._seldom:
            self._look()
        if type(value) is str:
            value = escaped(value)
        elif not isinstance(value, str):
            return self._number_or_text(value)
        self._spent += len(value)
        if self._spent > PRINTED_CHARS:
            self._stop()
        text: str = value
        return text

    def _number_or_text(self, value: Any) -> str | int | float:
        """What is printed for a value that is no text. The engine prints most numbers as `text_of` does, and faster."""
        self._spend(16)
        if type(value) is int or (type(value) is float and 1e-4 < abs(value) < 1e15):
            number: int | float = value
            return number
        if isinstance(value, list | tuple | dict):
            raise WrongValue(
                "A list or object cannot be printed. Loop over it, or write `|join` or `|tojson` after it."
            )
        return text_of(value)

    def _spend(self, chars: int) -> None:
        self._spent += chars
        if self._spent > PRINTED_CHARS:
            self._stop()

    def _stop(self) -> NoReturn:
        raise Exceeded(
            f"it prints more than {PRINTED_CHARS} characters, counting loops and variables; print less, or loop over fewer items"
        )

    def _look(self) -> None:
        if time.thread_time() > self._deadline:
            raise TookTooLong(
                f"the templates of one notification take more than {CPU_SECONDS * 1000:g} ms of a CPU; use shorter lists and fewer loops"
            )
