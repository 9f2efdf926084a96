"""The setting DISPATCH_EMAIL_TRACKING_URL, which the dispatcher and its role `callbacks` both read."""

from typing import Annotated, Final

from tocsin.channel.public_url import PublicUrl
from tocsin.runtime import About

TrackingUrl = Annotated[
    PublicUrl | None,
    About(
        example="https://links.example.com/email",
        danger="Links in mails that were sent lead to the address that stood here: keep the former one working",
    ),
]
TRACKING_URL: Final = (
    "Address under which the role `callbacks` is reached by people, up to `/t`: links of tracked mails lead there. "
    "The same in the dispatcher and its role. Empty: no mail is tracked, whatever its category says"
)
