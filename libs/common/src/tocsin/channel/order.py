"""Jobs of one recipient go one after the other; those of different recipients side by side. A channel may say otherwise: see `Delivery.turn`."""

from collections import deque

from tocsin.channel.delivery import Delivery


class RecipientOrder:
    """Lets one delivery of each recipient go on; those added meanwhile follow one by one, in the order in which they came."""

    def __init__(self) -> None:
        self._behind: dict[bytes, deque[Delivery] | None] = {}
        """What waits behind a recipient's delivery; None where nothing does, which is nearly always so."""

    def add(self, delivery: Delivery) -> bool:
        """Whether the delivery may go on at once; else it waits behind those of its recipient."""
        key = delivery.turn
        if key is None:
            return True
        if key not in self._behind:
            self._behind[key] = None
            return True
        behind = self._behind[key]
        if behind is None:
            behind = self._behind[key] = deque()
        behind.append(delivery)
        return False

    def done(self, delivery: Delivery) -> Delivery | None:
        """The delivery has ended: returns the one of its recipient that may go on now, if one waits."""
        if delivery.turn is None:
            return None
        behind = self._behind[delivery.turn]
        if behind:
            return behind.popleft()
        del self._behind[delivery.turn]
        return None
