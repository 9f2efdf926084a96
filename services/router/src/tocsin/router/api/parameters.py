"""What stands in paths: names, checked like those in bodies. A tenant is never one of them, it comes from the key."""

from typing import Annotated

from fastapi import Path
from pydantic import BeforeValidator

from tocsin.contracts.values.device import LONGEST_ID, device_id
from tocsin.contracts.vocabulary import Channel
from tocsin.router.api.fields import Key, LocaleTag, Name, RecipientId, TenantId
from tocsin.router.api.slashes import with_slashes
from tocsin.web import judged

RecipientPath = Annotated[
    RecipientId,
    BeforeValidator(with_slashes),
    Path(description="The recipient's id; write a slash in it as %2F"),
]
DevicePath = Annotated[
    str,
    Path(max_length=LONGEST_ID, description="The device's id; write a slash in it as %2F"),
    BeforeValidator(with_slashes),
    judged(device_id),
]
CategoryPath = Annotated[Key, Path(description="The category's key")]
WorkflowPath = Annotated[Key, Path(description="The workflow's key")]
ChannelPath = Annotated[Channel, Path(description="The channel")]
TemplatePath = Annotated[
    Name, Path(description="The template's name; `default` unless its author gave it another")
]
LocalePath = Annotated[LocaleTag, Path(description="The language, such as de or de-AT")]
RevisionPath = Annotated[int, Path(ge=1, le=2**31 - 1, description="The revision")]
EndpointPath = Annotated[Name, Path(description="The endpoint's key, of your choice")]
ApiKeyPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9]{1,64}$", description="The key's id: its middle part")]
TenantPath = Annotated[TenantId, Path(description="The tenant's id")]
