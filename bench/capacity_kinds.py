"""The known messages whose bytes are measured: seven kinds, from a login code to a campaign."""

from collections.abc import Sequence
from typing import Final

import msgspec

from environment import TENANT, Environment
from shapes import Order, Shape, event_id, recipient_of, source_of
from tenant import DATA, EVERYWHERE, PARTS_OF, RECIPIENTS, make_workflow, workflow_of
from tocsin.contracts.ids import notification_id
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.dev.api import Api

CAMPAIGN: Final = 1_000
"""Recipients of one event, where they come with it."""
BATCH: Final = 100
"""Events of one request, where requests come in batches."""
CONNECTIONS: Final = 64
SECONDS: Final = 300.0
LATER_RATE: Final = 10.0
CODE: Final = {
    "subject": "Your code is {{ data.order }}",
    "text": "Your code is {{ data.order }}. It is good for ten minutes.\n",
}


class Kind(msgspec.Struct, kw_only=True, frozen=True):
    """One message as its producer sends it. `key` names it in `--mix` and in the record."""

    key: str
    what: str
    lane: Lane
    channels: tuple[Channel, ...] = (Channel.EMAIL,)
    workflow: str
    people: Sequence[str] = tuple(RECIPIENTS)
    inline: bool = False
    """Whether its recipients come with the event, many of them."""
    delay: int = 0
    """Seconds until it is due."""

    @property
    def statuses(self) -> list[str]:
        """What `Rows.statuses` tells of one notification: that it waits, its decision, and its end on each channel."""
        waits = ["scheduled -"] if self.delay else []
        return [*waits, "decided -", *(f"sent {channel}" for channel in self.channels)]

    def order(self, environment: Environment, prefix: str, count: int, *, sink: int | None = None) -> Order:
        """So many of them, in batches as fast as they are taken; or with the control port of a sink one by one, each once the one before
        was handed over. What is due later comes ten times a second instead."""
        one_by_one = sink is not None
        size = 1 if one_by_one else CAMPAIGN if self.inline else BATCH
        together = Shape.CAMPAIGN if self.inline else Shape.BATCH
        waits = one_by_one and not self.delay
        return Order(
            port=environment.port("ingest"),
            key=environment.key,
            workflow=self.workflow,
            prefix=prefix,
            recipients=list(self.people),
            data=DATA,
            count=count // size * size,
            seconds=SECONDS,
            connections=1 if waits else CONNECTIONS,
            shape=Shape.SINGLE if one_by_one and not self.inline else together,
            size=size,
            rate=LATER_RATE if one_by_one and self.delay else None,
            sink_port=sink if waits else None,
            window=1,
            fields={"delay": self.delay} if self.delay else {},
        )

    def ids(self, order: Order) -> list[str]:
        """The notifications that follow from the order."""
        return [
            notification_id(
                tenant=TENANT,
                source=source_of(order),
                event_id=event_id(order, number),
                recipient=recipient_of(order, number),
                workflow=self.workflow,
            )
            for number in range(order.count)
        ]


KINDS: Final = {
    kind.key: kind
    for kind in (
        Kind(key="code", what="login code by mail", lane=Lane.CRITICAL, workflow="code-critical"),
        Kind(
            key="order",
            what="order mail, text and HTML",
            lane=Lane.TRANSACTIONAL,
            workflow=workflow_of(Lane.TRANSACTIONAL),
        ),
        Kind(
            key="everywhere",
            what="order by mail, SMS and push",
            lane=Lane.TRANSACTIONAL,
            channels=(Channel.EMAIL, Channel.SMS, Channel.PUSH),
            workflow=workflow_of(Lane.TRANSACTIONAL, everywhere=True),
            people=EVERYWHERE,
        ),
        Kind(
            key="sms",
            what="SMS",
            lane=Lane.TRANSACTIONAL,
            channels=(Channel.SMS,),
            workflow="sms-transactional",
            people=EVERYWHERE,
        ),
        Kind(
            key="push",
            what="push message",
            lane=Lane.TRANSACTIONAL,
            channels=(Channel.PUSH,),
            workflow="push-transactional",
            people=EVERYWHERE,
        ),
        Kind(
            key="later",
            what="order mail, sent later",
            lane=Lane.TRANSACTIONAL,
            workflow=workflow_of(Lane.TRANSACTIONAL),
            delay=20,
        ),
        Kind(
            key="campaign",
            what="campaign by mail, recipients with the event",
            lane=Lane.BULK,
            workflow=workflow_of(Lane.BULK),
            inline=True,
        ),
    )
}


async def settle(api: Api) -> None:
    """Make the workflows that the bench's tenant does not have."""
    await api.do("PUT", "/v1/categories/codes", {"name": "Login codes", "default": "required"})
    await make_workflow(api, "code-critical", Lane.CRITICAL, {Channel.EMAIL: CODE}, category="codes")
    for channel in (Channel.SMS, Channel.PUSH):
        await make_workflow(api, f"{channel}-transactional", Lane.TRANSACTIONAL, {channel: PARTS_OF[channel]})
