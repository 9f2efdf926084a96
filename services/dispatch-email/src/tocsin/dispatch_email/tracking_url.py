"""The setting DISPATCH_EMAIL_TRACKING_URL, which the dispatcher and its role `callbacks` both read."""

from typing import Annotated

from pydantic import Field

from tocsin.channel.public_url import PublicUrl
from tocsin.runtime import About, ServiceSettings


class LinkSettings(ServiceSettings):
    """Where links of mails lead."""

    tracking_url: Annotated[
        PublicUrl | None,
        About(
            example="https://links.example.com/email",
            danger="Links in mails that were sent lead to the address that stood here: keep the former one working",
        ),
    ] = Field(
        default=None,
        validation_alias="DISPATCH_EMAIL_TRACKING_URL",
        description="Address under which people reach dispatch-email's role `callbacks`, up to `/t` and `/a`: links of tracked "
        "mails and buttons lead there. The same in the dispatcher and its role. Without it no mail is tracked, whatever its category says, and "
        "buttons that lead nowhere are left out",
    )
