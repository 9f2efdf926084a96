"""How many bytes of request bodies a process holds, all tenants together and each alone."""

from typing import Final

TENANTS_TO_FILL: Final = 4
"""So many tenants must send at once to use up what there is: none can keep the others from sending."""


class BodiesInFlight:
    """Held from before a body is read until its request is answered."""

    def __init__(self, *, most: int) -> None:
        self._most: Final = most
        self._most_of_one: Final = most // TENANTS_TO_FILL
        self._held: dict[str, int] = {}
        self.total = 0
        """Bytes held now."""

    def hold(self, tenant: str, size: int) -> bool:
        """Whether there is room for so many bytes more of this tenant; then they count as held."""
        held = self._held.get(tenant, 0) + size
        if held > self._most_of_one or self.total + size > self._most:
            return False
        self.total += size
        self._held[tenant] = held
        return True

    def let_go(self, tenant: str, size: int) -> None:
        """So many bytes are held no longer."""
        self.total -= size
        held = self._held[tenant] - size
        if held:
            self._held[tenant] = held
        else:
            del self._held[tenant]
