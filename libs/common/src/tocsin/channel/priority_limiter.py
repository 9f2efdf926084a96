"""Whose call to a provider may begin next: the critical lane's, or one of the others'."""

RESERVED_ONE_IN = 4
"""One of so many of an instance's places is kept for the critical lane, if the process serves it; of the messages of its rate's burst, too."""
FAIR = 8
"""Of so many calls in a row one goes to the other lanes, however much the critical lane has waiting."""


class PriorityLimiter:
    """At most `places` calls at once, of which the other lanes never have the last `reserved`.

    The critical lane goes first. But one call in `FAIR` is another lane's, as long as these have fewer than their places: a
    long critical load must not stop the others for good, and their calls, however long they take, must not fill every place.
    """

    def __init__(self, *, places: int, reserved: int) -> None:
        self._taken = 0
        self._taken_by_others = 0
        self._passed_over = 0
        """How many critical calls in a row began while another lane waited."""
        self.resize(places=places, reserved=reserved)

    def resize(self, *, places: int, reserved: int) -> None:
        """From now on there are so many. Calls under way keep theirs."""
        if not 0 <= reserved < places:
            raise ValueError(f"The reserved places ({reserved}) must be fewer than all places ({places}).")
        self._places = places
        self._open_to_all = places - reserved

    @property
    def taken(self) -> int:
        """Calls under way."""
        return self._taken

    @property
    def others_turn(self) -> bool:
        """Whether a call of another lane goes first now, if one waits."""
        return self._passed_over >= FAIR - 1 and self._taken_by_others < self._open_to_all

    def critical_may_begin(self, *, others_wait: bool) -> bool:
        """Whether a critical call that waits may begin now."""
        return self._taken < self._places and not (others_wait and self.others_turn)

    def other_may_begin(self, *, critical_waits: bool) -> bool:
        """Whether a call of another lane that waits may begin now. Ask only when no critical call may begin."""
        return self._taken < (self._places if critical_waits and self.others_turn else self._open_to_all)

    def acquire(self, *, critical: bool, others_wait: bool) -> None:
        """A call begins; `others_wait`: another lane waited, too."""
        self._taken += 1
        self._taken_by_others += not critical
        self._passed_over = self._passed_over + 1 if critical and others_wait else 0

    def release(self, *, critical: bool) -> None:
        """A call has ended."""
        self._taken -= 1
        self._taken_by_others -= not critical
