"""The source that the engine compiles, and which part of the author's template each place of it stands for."""

from typing import NamedTuple

from jinja2 import nodes


class Span(NamedTuple):
    """Bytes of the written source, and how authors know what stands there."""

    start: int
    end: int
    text: str


class Program(NamedTuple):
    """What the engine compiles, and what it means by the places it names in faults."""

    source: str
    spans: dict[int, list[Span]]
    """By the end of each: those that begin last come last."""

    def expression(self, start: int, end: int) -> str:
        """What the author wrote at a place; empty when that is not known."""
        spans = self.spans.get(end, [])
        around = [span for span in spans if span.start <= start] or spans
        text = max(around).text if around else ""
        return "" if text == "…" else text


class ProgramText:
    """A program while it is written, from its first line to its last."""

    def __init__(self) -> None:
        self._written: list[str] = []
        self._bytes = 0
        self._line = 1
        self._spans: dict[int, list[Span]] = {}

    @property
    def position(self) -> int:
        """How many bytes are written."""
        return self._bytes

    def write(self, text: str) -> None:
        """Put the text behind what is written."""
        self._written.append(text)
        self._bytes += len(text.encode())
        self._line += text.count("\n")

    def reach(self, node: nodes.Node) -> None:
        """Go on to the node's line. It can only lie ahead: nothing that is written has more lines than its source."""
        self.write("\n" * (node.lineno - self._line))

    def mark(self, start: int, text: str) -> None:
        """What was written from `start` on is what authors know as `text`."""
        self._spans.setdefault(self._bytes, []).append(Span(start, self._bytes, text))

    def program(self) -> Program:
        """All of it."""
        return Program("".join(self._written), self._spans)
