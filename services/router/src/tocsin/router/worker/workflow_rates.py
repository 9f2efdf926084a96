"""How many notifications each workflow has, for at most 200 keys of published workflows; those of all others are `other`.

A key is one value of the label, whichever tenants have a workflow of that key: tenants are never labels. Shown are the first by name, so that all
routers show the same ones, whatever each has read in which order; with 200 keys or fewer that is all of them.

A key that is not shown any more goes on as `other`, and its own series ends with the next workflow that is published. If it is shown again, it begins at 0.
Prometheus takes that for a restart of the process, as with every counter: `rate` and `increase` count nothing twice. So a new revision, which
takes the former away and comes right after, does not begin the count anew.
"""

from bisect import bisect_left, insort
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
        self._workflows: dict[str, int] = {}
        """How many published workflows have each key."""
        self._keys: list[str] = []
        """The same keys, by name."""
        self._gone: set[str] = set()
        """Keys that are not shown any more since a workflow was published last."""
        self._counts: dict[tuple[str, Lane, Outcome], Count] = {}

    def published(self, key: str) -> None:
        """A workflow of this key is published."""
        self._workflows[key] = self._workflows.get(key, 0) + 1
        if self._workflows[key] == 1:
            insort(self._keys, key)
            if len(self._keys) > self._most and self._is_shown(key):
                self._gone.add(self._keys[self._most])  # its place is taken
        self._gone.discard(key)
        if self._gone:  # a republished directory, of thousands of workflows, says of each only what is known
            self._end_series()
            self._gone.clear()

    def unpublished(self, key: str) -> None:
        """A workflow of this key is not any more."""
        workflows = self._workflows.get(key, 0)
        if workflows > 1:
            self._workflows[key] = workflows - 1
        elif workflows:
            del self._workflows[key]
            self._gone.add(key)
            del self._keys[bisect_left(self._keys, key)]

    def count(self, lane: Lane, notifications: Mapping[tuple[str, Outcome], int]) -> None:
        """What decisions of a batch came to, by the key of the workflow and the outcome."""
        for (key, outcome), times in notifications.items():
            shown = key if self._is_shown(key) else OTHER
            count = self._counts.get((shown, lane, outcome))
            if count is None:
                count = metrics.workflow_notifications.labels(lane, shown, outcome)
                self._counts[shown, lane, outcome] = count
            count.inc(times)

    def _is_shown(self, key: str) -> bool:
        return key in self._workflows and (len(self._keys) <= self._most or key <= self._keys[self._most - 1])

    def _end_series(self) -> None:
        """Of keys that are not shown any more."""
        for key, lane, outcome in [
            each for each in self._counts if each[0] != OTHER and not self._is_shown(each[0])
        ]:
            metrics.workflow_notifications.remove(lane, key, outcome)
            del self._counts[key, lane, outcome]
