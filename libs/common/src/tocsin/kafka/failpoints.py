"""Places where a test may stop, delay or end the work; in production each is one awaited no-op."""

from typing import Protocol


class Failpoints(Protocol):
    """Told each time a named place is reached; may wait there, raise there, or end the process there.

    The names: ``before_fence``, ``after_fence``, ``after_produce``, ``after_offsets``, ``before_commit``,
    ``after_commit``, ``in_revoke``; the router's ``after_claim``; the dispatchers' ``before_outcome``, ``after_outcome``.
    """

    async def reach(self, name: str) -> None:
        """Return to let the work go on."""
        ...


class NoFailpoints:
    """What production uses."""

    async def reach(self, name: str) -> None:
        """Go on."""


NO_FAILPOINTS: Failpoints = NoFailpoints()
