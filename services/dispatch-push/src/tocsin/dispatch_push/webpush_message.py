"""What a push service is sent for a job: headers, and the message, encrypted for the browser (RFC 8030, 8188, 8291)."""

from base64 import urlsafe_b64encode
from typing import Any, Final, NamedTuple
from uuid import UUID

from tocsin.channel import Rejected
from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.codec import encode
from tocsin.contracts.jobs import Job, PushContent
from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.subscription import read_subscription
from tocsin.contracts.vocabulary import Channel, DeviceKind, Lane, Reason
from tocsin.dispatch_push.push_buttons import ACTIONS, in_browsers
from tocsin.dispatch_push.webpush_encryption import encrypted_for

_LONGEST_TTL: Final = 2_419_200  # seconds: four weeks, what push services keep a message at most
PLAIN_BYTES: Final = 3993
"""Push services take 4,096 bytes (RFC 8030), of which the encryption needs 103 (RFC 8291)."""
_URGENCY: Final = {Lane.CRITICAL: "high", Lane.TRANSACTIONAL: "normal", Lane.BULK: "low"}
_holder_of = CHANNELS[Channel.PUSH].holder_of


class WebPushMessage(NamedTuple):
    """The request, but for its authorization."""

    endpoint: str
    headers: dict[str, str]
    body: bytes


def message_of(job: Job, *, now: float) -> WebPushMessage | Rejected:
    """The request; or why no push service would ever take it. `now` in seconds since 1970."""
    content = job.private.content
    if not isinstance(content, PushContent):
        return Rejected(reason=Reason.CONTENT_REFUSED, detail="The job's content is no push message.")
    if any(map(_holder_of, content.data)):
        detail = "Tocsin keeps a name of this message's data for itself. Rename that part of the template."
        return Rejected(reason=Reason.CONTENT_REFUSED, detail=detail)
    plain = encode(shown_of(job, content))
    if len(plain) > PLAIN_BYTES:
        detail = f"The message takes {len(plain)} bytes; Web Push takes {PLAIN_BYTES}. Shorten the template."
        return Rejected(reason=Reason.TOO_LARGE, detail=detail)
    try:
        subscription = read_subscription(job.private.address)
        body = encrypted_for(subscription.public_key, subscription.auth_secret, plain)
    except (ValueRefused, ValueError):
        detail = "The device's token is no subscription to Web Push."
        return Rejected(reason=Reason.ADDRESS_INVALID, detail=detail)
    left = min(max(int(job.expires_at.timestamp() - now), 0), _LONGEST_TTL)
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Encoding": "aes128gcm",
        # The push service's own queue must not deliver it late either.
        "TTL": str(left),
        "Urgency": urgency_of(job, content),
        # A second send of the delivery replaces the first while that waits for the browser: at most 32 characters of base64url.
        "Topic": urlsafe_b64encode(UUID(job.delivery_id).bytes).rstrip(b"=").decode(),
    }
    return WebPushMessage(subscription.endpoint, headers, body)


def urgency_of(job: Job, content: PushContent) -> str:
    """How soon the browser's device is to be woken up: as the template says, else as the lane does."""
    urgency: str = content.overrides.get(DeviceKind.WEBPUSH, {}).get("urgency", _URGENCY[job.lane])
    return urgency


def shown_of(job: Job, content: PushContent) -> dict[str, Any]:
    """What the service worker gets: it can give the whole to `showNotification(title, …)`. The tag lets a second send replace the first."""
    data: dict[str, Any] = {
        **content.data,
        "tocsin_notification": job.notification_id,
        "tocsin_delivery": job.delivery_id,
    }
    link = content.link or job.intent.private.link
    if link is not None:
        data["tocsin_link"] = link
    if content.badge is not None:
        data["tocsin_badge"] = str(content.badge)  # for `navigator.setAppBadge`; browsers play no sounds
    if content.actions:
        data[ACTIONS] = content.actions
    shown: dict[str, Any] = {
        "title": content.title,
        "body": content.body,
        "tag": job.delivery_id,
        "data": data,
    }
    if content.image is not None:
        shown["image"] = content.image
    if content.actions:
        shown["actions"] = in_browsers(content.actions)
    options = content.overrides.get(DeviceKind.WEBPUSH, {})
    return shown | {name: value for name, value in options.items() if name != "urgency"}
