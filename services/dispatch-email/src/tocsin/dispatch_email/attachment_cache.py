"""Files that are here, by tenant, hash and size: those that mails hold, and of the others the ones that were used last."""

from collections import OrderedDict

Key = tuple[str, str, int]


class AttachmentCache:
    """What nobody holds takes at most `idle_bytes`. What is held is bounded by who holds it."""

    def __init__(self, idle_bytes: int) -> None:
        self._idle_bytes = idle_bytes
        self._held: dict[Key, tuple[bytes, int]] = {}
        """The file in lines of base64, and how many hold it."""
        self._idle: OrderedDict[Key, bytes] = OrderedDict()
        """The one that was used last is the last."""
        self.taken = 0
        """Bytes of what nobody holds."""

    def __contains__(self, key: Key) -> bool:
        return key in self._held or key in self._idle

    def put(self, key: Key, lines: bytes) -> None:
        """This file is here."""
        if key not in self:
            self._rest(key, lines)

    def hold(self, key: Key) -> bool:
        """Whether the file is here: then it stays until it is released as often as it was held."""
        if (held := self._held.get(key)) is not None:
            self._held[key] = held[0], held[1] + 1
            return True
        lines = self._idle.pop(key, None)
        if lines is None:
            return False
        self.taken -= len(lines)
        self._held[key] = lines, 1
        return True

    def release(self, key: Key) -> None:
        """One that held it does so no longer."""
        lines, holders = self._held[key]
        if holders > 1:
            self._held[key] = lines, holders - 1
            return
        del self._held[key]
        self._rest(key, lines)

    def lines(self, key: Key) -> bytes:
        """A file that is held."""
        return self._held[key][0]

    def _rest(self, key: Key, lines: bytes) -> None:
        """Nobody holds it. It may stay alone, whatever its size: who has put it holds it next."""
        self._idle[key] = lines
        self.taken += len(lines)
        while self.taken > self._idle_bytes and len(self._idle) > 1:
            _, oldest = self._idle.popitem(last=False)
            self.taken -= len(oldest)
