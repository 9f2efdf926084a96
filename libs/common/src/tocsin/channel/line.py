"""Deliveries that wait, one behind the other."""

from collections import OrderedDict

from tocsin.channel.delivery import Delivery


class Line(OrderedDict[Delivery, None]):
    """Deliveries in the order in which they came; any of them can be taken out, however many wait. It is true where any waits.

    It is the dictionary itself, for it is asked ten times a delivery whether it is empty.
    """

    def waits_for(self, _far_end: str | None) -> bool:
        """Whether anything waits: there is one far end."""
        return bool(self)

    def append(self, delivery: Delivery) -> None:
        """At the end."""
        self[delivery] = None

    def popleft(self) -> Delivery:
        """The first."""
        return self.popitem(last=False)[0]

    def remove(self, delivery: Delivery) -> bool:
        """Whether it was there."""
        if delivery not in self:
            return False
        del self[delivery]
        return True
