"""What a person sees while the stack works: live lines on a terminal, plain ones on a pipe."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class Steps:
    """Shows steps that may run side by side. Use it as a context while steps run; `say` works always."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Progress(
            SpinnerColumn(finished_text="[green]✓[/green]"),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
        )

    def say(self, line: str) -> None:
        """Prints one line, above what is live."""
        self._console.print(line, highlight=False, soft_wrap=True, markup=False)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Live display on a terminal; nothing on a pipe."""
        if not self._console.is_terminal:
            yield
            return
        with self._live:
            yield

    @contextmanager
    def step(self, doing: str) -> Iterator[None]:
        """One step: shown while it runs, marked when done, left unmarked when it fails."""
        if not self._console.is_terminal:
            began = time.monotonic()
            self.say(f"{doing} …")
            yield
            self.say(f"{doing}: done in {time.monotonic() - began:.1f} s")
            return
        task: TaskID = self._live.add_task(doing, total=1)
        yield
        self._live.update(task, completed=1)
