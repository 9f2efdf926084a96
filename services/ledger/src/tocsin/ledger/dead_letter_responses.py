"""What the ledger answers about dead letters, as OpenAPI shows it."""

from base64 import b64encode
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from tocsin.ledger.dead_letters import LetterSource, StoredLetter
from tocsin.ledger.responses import OpenReason
from tocsin.web import Page


class DeadLetterBody(BaseModel):
    """Which record could not be handled, where, and why."""

    id: str
    stored_at: datetime = Field(description="When the broker stored the dead letter")
    at: datetime = Field(description="When the record was given up")
    service: str = Field(description="Which service could not handle it")
    kind: str = Field(description="What the record is: the family of its topic, such as `events`")
    reason: OpenReason
    detail: str = Field(description="One sentence with the field and the remedy; no address, no body")
    tenant: str | None
    event_source: str | None = Field(description="The source of its event, as far as that is known")
    event_id: str | None
    origin: str = Field(description="The record's own place: topic/partition/offset")

    @classmethod
    def of(cls, letter: StoredLetter) -> Self:
        """The letter as it is shown. An empty text stands for nothing."""
        return cls.model_validate({name: getattr(letter, name) or None for name in cls.model_fields})


class BytesBody(BaseModel):
    """Bytes: as `text` where they are UTF-8, else as `base64`."""

    text: str | None = None
    base64: str | None = None

    @classmethod
    def of(cls, raw: bytes) -> Self:
        """These bytes."""
        try:
            return cls(text=raw.decode())
        except UnicodeDecodeError:
            return cls(base64=b64encode(raw).decode())


class HeaderBody(BaseModel):
    """One header of the record. A name may stand twice."""

    name: str
    value: BytesBody


class LeftOutBody(BaseModel):
    """Parts of the record that were too large to keep: their bytes and SHA-256. 0 and null: nothing was left out."""

    key_bytes: int
    key_sha256: str | None
    value_bytes: int
    value_sha256: str | None
    headers: int = Field(description="How many headers there were")
    headers_bytes: int
    headers_sha256: str | None


class WholeDeadLetterBody(DeadLetterBody):
    """A dead letter with the record as it was. It may hold addresses and everything else that its producer sent."""

    key: BytesBody | None
    value: BytesBody | None
    headers: list[HeaderBody]
    left_out: LeftOutBody

    @classmethod
    def of(cls, letter: StoredLetter) -> Self:
        """The letter as it is shown."""
        about = DeadLetterBody.of(letter).model_dump()
        left_out = LeftOutBody(
            key_bytes=letter.original_key_bytes,
            key_sha256=letter.original_key_sha256 or None,
            value_bytes=letter.original_bytes,
            value_sha256=letter.original_sha256 or None,
            headers=letter.original_headers,
            headers_bytes=letter.original_headers_bytes,
            headers_sha256=letter.original_headers_sha256 or None,
        )
        return cls(
            **about,
            key=None if letter.key is None else BytesBody.of(letter.key),
            value=None if letter.value is None else BytesBody.of(letter.value),
            headers=[HeaderBody(name=name, value=BytesBody.of(value)) for name, value in letter.own_headers],
            left_out=left_out,
        )


class DeadLetterPage(Page[DeadLetterBody]):
    """One page of dead letters. Oldest first, `next_cursor` is there on the last page, too: ask with it again for what came since."""


class DeadLetterSourceBody(BaseModel):
    """How many letters came of one source and reason, and the last of them."""

    event_source: str | None = Field(description="The source of their events; null where none is known")
    reason: OpenReason
    letters: int
    first_stored_at: datetime
    last_stored_at: datetime
    last_id: str = Field(description="The newest of them")

    @classmethod
    def of(cls, source: LetterSource) -> Self:
        """An empty source stands for none."""
        values = {name: getattr(source, name) for name in cls.model_fields}
        return cls.model_validate(values | {"event_source": source.event_source or None})


class DeadLetterSources(BaseModel):
    """Who sends records that cannot be handled; the most first."""

    data: list[DeadLetterSourceBody]
