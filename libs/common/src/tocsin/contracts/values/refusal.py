"""Why a value is not taken."""


class ValueRefused(Exception):
    """The value cannot be used. `code` is the same in HTTP's answers and in dead letters; `detail` says what to write instead, and
    repeats nothing of the value. `pointer` leads to it from what was judged: empty for a value, `/email` within a recipient."""

    def __init__(self, code: str, detail: str, *, pointer: str = "") -> None:
        super().__init__(f"{pointer}: {code}")
        self.code = code
        self.detail = detail
        self.pointer = pointer

    @property
    def sentence(self) -> str:
        """The detail with its full stop; a question has its own mark."""
        return self.detail if self.detail.endswith("?") else f"{self.detail}."

    def below(self, pointer: str) -> "ValueRefused":
        """The same refusal as seen from outside: `pointer` leads to what was judged."""
        return ValueRefused(self.code, self.detail, pointer=pointer + self.pointer)
