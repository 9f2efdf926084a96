"""What must not go out any more: read whole by every dispatcher (topic `stops`, compacted)."""

import msgspec


class RecipientVersion(
    msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="recipient_version"
):
    """Raised by each change that takes something away from a recipient: a job decided under less is rechecked."""

    version: int = 1
    """The schema's version."""
    tenant: str
    recipient: str
    recipient_version: int


StopRecord = RecipientVersion
"""Every record of `stops`; keyed `tenant/recipient`."""
