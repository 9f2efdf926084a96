"""What APNs is sent for a job: headers and payload.

https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns and
https://developer.apple.com/documentation/usernotifications/generating-a-remote-notification
"""

from typing import Any, Final, NamedTuple

from hpack import HeaderTuple, NeverIndexedHeaderTuple

from tocsin.channel import Rejected
from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.codec import encode
from tocsin.contracts.jobs import Job, PushContent
from tocsin.contracts.values.device import is_apns_token
from tocsin.contracts.vocabulary import Channel, DeviceKind, Lane, Reason
from tocsin.dispatch_push.push_buttons import ACTIONS, category_of

PAYLOAD_BYTES: Final = 4096
_AT_ONCE, _POWER_SAVING = b"10", b"5"
_holder_of = CHANNELS[Channel.PUSH].holder_of
Head = list[HeaderTuple]


class ApnsMessage(NamedTuple):
    """Its headers but for the authorization, which comes behind them, and its payload."""

    head: Head
    payload: bytes


def message_of(job: Job, topic: str, *, scheme: bytes, authority: bytes) -> ApnsMessage | Rejected:
    """The request; or why APNs would never take it."""
    content = job.private.content
    if not isinstance(content, PushContent):
        return Rejected(reason=Reason.CONTENT_REFUSED, detail="The job's content is no push message.")
    if not is_apns_token(job.private.address):
        detail = "The device token is none of APNs': those are hexadecimal."
        return Rejected(reason=Reason.ADDRESS_INVALID, detail=detail)
    if any(map(_holder_of, content.data)):
        detail = (
            "APNs or Tocsin keeps a name of this message's data for itself. Rename that part of the template."
        )
        return Rejected(reason=Reason.CONTENT_REFUSED, detail=detail)
    overrides = content.overrides.get(DeviceKind.APNS, {})
    payload = encode(_payload(job, content, overrides))
    if len(payload) > PAYLOAD_BYTES:
        detail = f"The message takes {len(payload)} bytes; APNs takes {PAYLOAD_BYTES}. Shorten the template."
        return Rejected(reason=Reason.TOO_LARGE, detail=detail)
    return ApnsMessage(_head(job, overrides, topic=topic, scheme=scheme, authority=authority), payload)


def authorized(head: Head, token: str) -> Head:
    """The headers with the provider token."""
    return [*head, NeverIndexedHeaderTuple(b"authorization", b"bearer " + token.encode())]


def _head(job: Job, overrides: dict[str, Any], *, topic: str, scheme: bytes, authority: bytes) -> Head:
    """What differs from message to message is not indexed, as APNs asks: it would push the rest out of a small table."""
    delivery = job.delivery_id.encode()
    priority = _POWER_SAVING if job.lane is Lane.BULK else _AT_ONCE
    if (override := overrides.get("priority")) is not None:
        priority = override.encode()
    return [
        HeaderTuple(b":method", b"POST"),
        HeaderTuple(b":scheme", scheme),
        HeaderTuple(b":authority", authority),
        NeverIndexedHeaderTuple(b":path", b"/3/device/" + job.private.address.encode()),
        HeaderTuple(b"apns-topic", topic.encode()),
        HeaderTuple(b"apns-push-type", b"alert"),
        HeaderTuple(b"apns-priority", priority),
        # APNs' own queue must not deliver it late either.
        NeverIndexedHeaderTuple(b"apns-expiration", str(int(job.expires_at.timestamp())).encode()),
        NeverIndexedHeaderTuple(b"apns-id", delivery),
        # A second send of the delivery replaces the first where it is shown.
        NeverIndexedHeaderTuple(b"apns-collapse-id", delivery),
    ]


def _payload(job: Job, content: PushContent, overrides: dict[str, Any]) -> dict[str, Any]:
    aps: dict[str, Any] = {"alert": {"title": content.title, "body": content.body}}
    payload: dict[str, Any] = {
        **content.data,
        "tocsin_notification": job.notification_id,
        "tocsin_delivery": job.delivery_id,
        "aps": aps,
    }
    link = content.link or job.intent.private.link
    if link is not None:
        payload["tocsin_link"] = link
    if content.image is not None:
        payload["tocsin_image"] = content.image
        aps["mutable-content"] = 1  # the app itself fetches the picture
    if content.actions:
        payload[ACTIONS] = content.actions
        aps["category"] = category_of(content.actions)
        aps["mutable-content"] = 1  # so that the app itself can register the labels
    if content.sound is not None:
        aps["sound"] = content.sound
    if content.badge is not None:
        aps["badge"] = content.badge
    for name, value in overrides.items():
        match name:
            case "priority":
                pass  # a header
            case "subtitle":
                aps["alert"]["subtitle"] = value
            case _:  # a flag is 1, or not there
                if value is not False:
                    aps[name] = 1 if value is True else value
    return payload
