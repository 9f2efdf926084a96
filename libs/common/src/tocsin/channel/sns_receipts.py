"""What AWS tells by an SNS topic: the envelope of its messages, the same for every kind of AWS's.

    body ─▶ a topic of ours? ─▶ signed with a certificate of SNS's? ─▶ in time? ─▶ the kind's own events

A subscription is confirmed where its topic is one of ours; that it has ended is only counted, and logged.
"""

from collections.abc import Callable, Sequence
from typing import Final

from pydantic import Field, model_validator

from tocsin.channel.event_times import iso_time
from tocsin.channel.provider_config import SecretFile
from tocsin.channel.receipts import (
    Cause,
    ProviderEvent,
    RawRequest,
    ReceiptsConfig,
    Refused,
    event_id,
    in_time,
)
from tocsin.channel.sns_certificates import Certificates, Fetch
from tocsin.channel.sns_fetch import NotFetched, fetched
from tocsin.channel.sns_messages import SnsMessage, TopicArn, read
from tocsin.contracts.codec import UNREADABLE_ERRORS
from tocsin.observability import get_logger
from tocsin.runtime import Clock

log = get_logger(__name__)

REPEATS_SECONDS: Final = 3600.0 + 300.0
"""So long a policy may let SNS repeat a message, with the time and the signature that it had at first, and the tolerance on top:
https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html."""

NOBODYS_ACCOUNT: Final = "000000000000"
"""Of no customer of AWS's: for topics of this account alone SNS may have a stand-in."""

ReadEvents = Callable[[str, str], Sequence[ProviderEvent]]
"""The events of a message, given its text and the id that its events bear. Raises what `UNREADABLE_ERRORS` names."""


class SnsReceiptsConfig(ReceiptsConfig):
    """`[providers.receipts]` of an instance whose events come by SNS."""

    topics: tuple[TopicArn, ...] = Field(min_length=1, max_length=20)
    """The topics whose messages are taken, and whose subscriptions are confirmed."""
    stand_in_certificate_file: SecretFile | None = None
    """The certificate of what stands in for SNS on your own machine. Then nothing is fetched, and nothing that SNS signs is taken."""

    @model_validator(mode="after")
    def _no_topic_of_aws_has_a_stand_in(self) -> "SnsReceiptsConfig":
        own = all(topic.split(":")[4] == NOBODYS_ACCOUNT for topic in self.topics)
        if self.stand_in_certificate_file is not None and not own:
            raise ValueError(
                f"`stand_in_certificate_file` is for your own machine: every topic beside it must be of the account {NOBODYS_ACCOUNT}"
            )
        return self


class SnsReceipts:
    """Of one instance's topics."""

    def __init__(
        self, config: SnsReceiptsConfig, clock: Clock, *, read_events: ReadEvents, fetch: Fetch = fetched
    ) -> None:
        self._topics = frozenset(config.topics)
        self._clock = clock
        self._read_events = read_events
        stand_in = config.stand_in_certificate_file
        self._fetch = fetch if stand_in is None else _always(stand_in.get_secret_value().encode())
        self._certificates = Certificates(clock, fetch=self._fetch)

    async def verify(self, request: RawRequest) -> Sequence[ProviderEvent]:
        """The events of one message; one that changes nothing where it is about the subscription."""
        try:
            message = read(request.body)
        except UNREADABLE_ERRORS:  # what cannot be read bears no signature
            raise Refused(Cause.SIGNATURE) from None
        await self._check(message)
        match message.type:
            case "Notification":
                return self._events(message)
            case "SubscriptionConfirmation":
                await self._confirm(message)
            case "UnsubscribeConfirmation":
                log.warning("a subscription to SNS has ended", topic=message.topic_arn)
            case _:
                raise Refused(Cause.UNREADABLE)
        return [_nothing(message)]

    async def _check(self, message: SnsMessage) -> None:
        """Raise Refused unless SNS has signed it, now, for one of our topics."""
        if message.topic_arn not in self._topics:
            raise Refused(Cause.TOPIC)
        if not message.names_a_certificate_of_sns:
            raise Refused(Cause.SIGNATURE)
        if not message.is_signed_by(await self._certificates.key(message.signing_cert_url)):
            raise Refused(Cause.SIGNATURE)
        at = iso_time(message.timestamp)
        if at is None:
            raise Refused(Cause.UNREADABLE)
        in_time(at.timestamp(), self._clock, late=REPEATS_SECONDS)

    def _events(self, message: SnsMessage) -> Sequence[ProviderEvent]:
        try:
            return self._read_events(message.message, event_id(message.message_id))
        except UNREADABLE_ERRORS:
            raise Refused(Cause.UNREADABLE) from None

    async def _confirm(self, message: SnsMessage) -> None:
        if not message.confirms_at_sns:
            raise Refused(Cause.UNREADABLE)
        try:
            await self._fetch(message.subscribe_url)
        except NotFetched:
            raise Refused(Cause.UNREACHABLE) from None
        log.info("a subscription to SNS is confirmed", topic=message.topic_arn)


def _always(certificate: bytes) -> Fetch:
    """Fetches nothing: whatever URL a message names, this stands there."""

    async def given(_url: str) -> bytes:
        return certificate

    return given


def _nothing(message: SnsMessage) -> ProviderEvent:
    return ProviderEvent(ref=None, status=None, id=event_id(message.message_id))
