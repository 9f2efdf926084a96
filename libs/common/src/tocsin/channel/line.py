"""Deliveries that wait, one behind the other."""

from collections import OrderedDict
from collections.abc import Iterator

from tocsin.channel.delivery import Delivery


class Line:
    """Deliveries in the order in which they came; any of them can be taken out, however many wait."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Delivery, None] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self._waiting)

    def waits_for(self, _far_end: str | None) -> bool:
        """Whether anything waits: there is one far end."""
        return bool(self._waiting)

    def append(self, delivery: Delivery) -> None:
        """At the end."""
        self._waiting[delivery] = None

    def popleft(self) -> Delivery:
        """The first."""
        delivery, _ = self._waiting.popitem(last=False)
        return delivery

    def remove(self, delivery: Delivery) -> bool:
        """Whether it was there."""
        if delivery not in self._waiting:
            return False
        del self._waiting[delivery]
        return True
