"""The `stops` topic in memory: the newest version of every recipient who has had something taken away."""

from tocsin.contracts.codec import decode_stop
from tocsin.kafka import ConsumerRecord


class RecipientVersions:
    """Fed by a `Replica` of `stops`; asked immediately before every hand-off."""

    def __init__(self) -> None:
        self._versions: dict[bytes, int] = {}

    def apply(self, record: ConsumerRecord) -> None:
        """Take in one record; a tombstone ends the entry. Raises what the codec raises (`UNREADABLE_ERRORS`)."""
        if record.key is None:
            return
        if record.value is None:
            self._versions.pop(record.key, None)
            return
        self._versions[record.key] = decode_stop(record.value).recipient_version

    def is_stale(self, recipient: bytes, *, version: int) -> bool:
        """Whether something was taken away after `version` from the recipient who has this key (see `recipient_key`)."""
        newest = self._versions.get(recipient)
        return newest is not None and newest > version
