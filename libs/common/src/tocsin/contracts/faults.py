"""Whose fault it is that something was not sent: so that an objective can leave out what nobody here could have done better."""

from enum import StrEnum
from typing import Final

from tocsin.contracts.vocabulary import Reason, StatusName


class Fault(StrEnum):
    """Where to look first."""

    NONE = "none"
    """Nothing went wrong: it was sent, or its producer took it back."""
    RECIPIENT = "recipient"
    """The address or device is wrong or gone, or the recipient wants none of it."""
    PROVIDER = "provider"
    """The provider was away, too slow, or failed."""
    OWNER = "owner"
    """What a tenant, a producer or an operator has set or sent: credentials, templates, data."""
    US = "us"
    """Tocsin itself."""


def fault_of(status: StatusName, reason: Reason | None) -> Fault:
    """The fault of a delivery that ended so. Without a reason only `expired` is one, and ours: it was not handed over in time."""
    if reason is not None:
        return FAULTS[reason]
    return Fault.US if status is StatusName.EXPIRED else Fault.NONE


FAULTS: Final = {
    Reason.NOT_A_CLOUDEVENT: Fault.OWNER,
    Reason.ATTRIBUTE_MISSING: Fault.OWNER,
    Reason.ATTRIBUTE_INVALID: Fault.OWNER,
    Reason.ATTRIBUTE_UNKNOWN: Fault.OWNER,
    Reason.TENANT_MISSING: Fault.OWNER,
    Reason.TENANT_UNKNOWN: Fault.OWNER,
    Reason.DATA_INVALID: Fault.OWNER,
    Reason.DATA_TOO_LARGE: Fault.OWNER,
    Reason.DATA_TOO_COMPLEX: Fault.OWNER,
    Reason.CANCEL_KEY_INVALID: Fault.OWNER,
    Reason.SEND_TIME_INVALID: Fault.OWNER,
    Reason.LIVES_TOO_LONG: Fault.OWNER,
    Reason.WORKFLOW_UNKNOWN: Fault.OWNER,
    Reason.WORKFLOW_UNUSABLE: Fault.OWNER,
    Reason.FIELD_UNKNOWN: Fault.OWNER,
    Reason.RECIPIENTS_INVALID: Fault.OWNER,
    Reason.RECIPIENTS_TOO_COSTLY: Fault.OWNER,
    Reason.RECIPIENT_ID_INVALID: Fault.OWNER,
    Reason.RECIPIENT_IS_ADDRESS: Fault.OWNER,
    Reason.EMAIL_INVALID: Fault.OWNER,
    Reason.PHONE_INVALID: Fault.OWNER,
    Reason.LOCALE_INVALID: Fault.OWNER,
    Reason.TIME_ZONE_UNKNOWN: Fault.OWNER,
    Reason.DEVICE_INVALID: Fault.OWNER,
    Reason.CHAT_INVALID: Fault.OWNER,
    Reason.LINK_INVALID: Fault.OWNER,
    Reason.ATTACHMENT_INVALID: Fault.OWNER,
    Reason.RECORD_UNREADABLE: Fault.US,
    Reason.OFFSET_NOT_KEPT: Fault.US,
    Reason.OTHER_DATA: Fault.OWNER,
    Reason.QUOTA: Fault.OWNER,
    Reason.RECIPIENT_UNKNOWN: Fault.OWNER,
    Reason.STEP_GONE: Fault.OWNER,
    Reason.CATEGORY_UNKNOWN: Fault.OWNER,
    Reason.CATEGORY_OFF: Fault.RECIPIENT,
    Reason.THROTTLE: Fault.OWNER,
    Reason.CHANNEL_UNKNOWN: Fault.US,
    Reason.PREFERENCE_OFF: Fault.RECIPIENT,
    Reason.BOUNCE: Fault.RECIPIENT,
    Reason.COMPLAINT: Fault.RECIPIENT,
    Reason.MANUAL: Fault.OWNER,
    Reason.GONE: Fault.RECIPIENT,
    Reason.ADDRESS_MISSING: Fault.RECIPIENT,
    Reason.SENDER_MISSING: Fault.OWNER,
    Reason.TEMPLATE_MISSING: Fault.OWNER,
    Reason.TEMPLATE_FAILED: Fault.OWNER,
    Reason.TOO_LARGE: Fault.OWNER,
    Reason.RECHECK: Fault.US,
    Reason.SET_ASIDE: Fault.PROVIDER,
    Reason.RETRIES_EXHAUSTED: Fault.PROVIDER,
    Reason.PROVIDER_UNKNOWN: Fault.OWNER,
    Reason.TARGET_UNSERVED: Fault.OWNER,
    Reason.ADDRESS_INVALID: Fault.RECIPIENT,
    Reason.ADDRESS_GONE: Fault.RECIPIENT,
    Reason.RECIPIENT_STOPPED: Fault.RECIPIENT,
    Reason.ENDPOINT_GONE: Fault.OWNER,
    Reason.ENDPOINT_DISABLED: Fault.OWNER,
    Reason.DEVICE_GONE: Fault.RECIPIENT,
    Reason.CONTENT_REFUSED: Fault.OWNER,
    Reason.CREDENTIALS_REFUSED: Fault.OWNER,
    Reason.SENDER_REFUSED: Fault.OWNER,
    Reason.RECIPIENT_REFUSED: Fault.RECIPIENT,
    Reason.UNREACHABLE: Fault.PROVIDER,
    Reason.ATTACHMENT_UNREACHABLE: Fault.OWNER,
    Reason.ATTACHMENT_CHANGED: Fault.OWNER,
    Reason.THROTTLED: Fault.PROVIDER,
    Reason.PROVIDER_ERROR: Fault.PROVIDER,
    Reason.NO_ANSWER: Fault.PROVIDER,
    Reason.INTERRUPTED: Fault.US,
    Reason.HARD_BOUNCE: Fault.RECIPIENT,
    Reason.SOFT_BOUNCE: Fault.RECIPIENT,
    Reason.BLOCKED: Fault.OWNER,
    Reason.PROVIDER_SUPPRESSED: Fault.RECIPIENT,
}
"""Of every reason."""
