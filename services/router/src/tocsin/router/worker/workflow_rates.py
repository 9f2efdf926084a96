"""How many notifications each workflow has, for at most 200 keys of published workflows; those of all others are `other`.

A key is one value of the label, whichever tenants have a workflow of that key: tenants are never labels. A key stays shown when its workflow
is published no more, until another needs its place, so that a new revision does not begin the count anew.
"""

from collections.abc import Mapping
from typing import Final

from tocsin.contracts.vocabulary import Lane, Outcome
from tocsin.observability import metrics
from tocsin.observability.unlocked_metrics import Counter as Count

MOST: Final = 200
OTHER: Final = "other"


class WorkflowRates:
    """Of all lanes of one process."""

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        self._shown: dict[str, int] = {}
        """How many published workflows have each of these keys."""
        self._counts: dict[tuple[str, Lane, Outcome], Count] = {}

    def published(self, key: str) -> None:
        """A workflow of this key is published."""
        if key in self._shown:
            self._shown[key] += 1
        elif len(self._shown) < self._most or self._make_room():
            self._shown[key] = 1

    def unpublished(self, key: str) -> None:
        """A workflow of this key is not any more."""
        if self._shown.get(key):
            self._shown[key] -= 1

    def count(self, lane: Lane, notifications: Mapping[tuple[str, Outcome], int]) -> None:
        """What decisions of a batch came to, by the key of the workflow and the outcome."""
        for (key, outcome), times in notifications.items():
            shown = key if key in self._shown else OTHER
            count = self._counts.get((shown, lane, outcome))
            if count is None:
                count = metrics.workflow_notifications.labels(lane, shown, outcome)
                self._counts[shown, lane, outcome] = count
            count.inc(times)

    def _make_room(self) -> bool:
        """Show one key less of which no workflow is published. Whether there was one."""
        gone = next((key for key, workflows in self._shown.items() if not workflows), None)
        if gone is None:
            return False
        del self._shown[gone]
        for shown in [shown for shown in self._counts if shown[0] == gone]:
            key, lane, outcome = shown
            metrics.workflow_notifications.remove(lane, key, outcome)
            del self._counts[shown]
        return True
