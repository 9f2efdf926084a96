"""The keys this process accepts, kept as the topic `directory` has them."""

from tocsin.contracts.codec import decode_directory
from tocsin.contracts.directory import ApiKey
from tocsin.kafka import Record
from tocsin.router.entities import ref_in_directory
from tocsin.web import KeyTable

_KEYS = b"api_key/"


class KeyFeed:
    """What a `Replica` of `directory` calls with each record; all but API keys is passed over unread."""

    def __init__(self, *, keys: KeyTable) -> None:
        self._keys = keys

    def apply(self, record: Record) -> None:
        """Put the key in, or take it out. Raises what the codec raises (`Unreadable`)."""
        if record.key is None or not record.key.startswith(_KEYS):
            return
        if record.value is None:
            self._keys.remove(ref_in_directory(record.key).key[0])
            return
        entity = decode_directory(record.value)
        if isinstance(entity, ApiKey):
            self._keys.put(entity)
