"""The role `callbacks` of a dispatcher, put together: providers' callbacks on a port of its own, a producer, and nothing else.

It needs none of the secrets with which messages are sent, and none of a dispatcher's work stands behind a port that strangers reach.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from starlette.routing import BaseRoute

from tocsin.channel.callbacks import Callbacks, callbacks_app
from tocsin.channel.provider_config import ProvidersInvalid
from tocsin.channel.public_url import PublicUrl
from tocsin.channel.receipts import ReceiptsKinds
from tocsin.channel.receivers import Receivers, read_receivers
from tocsin.channel.ref_settings import ref_keys
from tocsin.channel.settings import DispatcherSettings, ProviderSettings
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel
from tocsin.kafka import Publisher
from tocsin.runtime import (
    About,
    Advice,
    Api,
    Clock,
    Component,
    FunctionComponent,
    Health,
    HttpSettings,
    Service,
    SystemClock,
)
from tocsin.runtime.setting_names import prefix_of, variable_of
from tocsin.web.operations import operations_app

NAME: Final = "callbacks"
"""The role's word on the command line."""
_THIS_MACHINE: Final = {"localhost", "127.0.0.1", "::1"}
"""A name of one word is within a network of its own, such as Compose's, as well: no provider outside can call it."""


def role_name(channel: Channel) -> str:
    """What its logs, metrics and spans call it: a name of its own, so that it does not hide that the dispatcher is gone."""
    return f"{channel.dispatcher}-{NAME}"


@dataclass(frozen=True, kw_only=True)
class More:
    """What a channel's role answers beside callbacks, and what runs for that. It is closed before the publisher."""

    routes: Sequence[BaseRoute]
    components: Sequence[Component]


MakeMore = Callable[[Publisher, Topics, Clock], More]


class CallbackSettings(ProviderSettings):
    """Subclass it in a dispatcher, with the dispatcher's `env_prefix` and its `receipts`."""

    receipts: ClassVar[ReceiptsKinds]
    """How callbacks are read, by the `kind` that a provider instance names."""

    http: HttpSettings = Field(
        default_factory=HttpSettings, description="Where providers' callbacks are taken"
    )
    callbacks_url: Annotated[
        PublicUrl,
        About(
            example="https://callbacks.example.com",
            danger="Twilio and others sign the address that they call: with another one here every callback of theirs is refused",
        ),
    ] = Field(
        description="Address under which providers reach this role, up to `/callbacks`, as they are told it; with what a gateway takes away in between",
    )

    @field_validator("providers_file")
    @classmethod
    def _usable(cls, path: Path) -> Path:
        try:
            read_receivers(path, cls.receipts, {}, needed=False)
        except ProvidersInvalid as invalid:
            raise ValueError(str(invalid)) from invalid
        return path

    @model_validator(mode="after")
    def _refs_can_be_opened(self) -> Self:
        if not self.ref_keys:
            raise ValueError(
                "DISPATCH_REF_KEYS is not set: without the dispatchers' keys no receipt finds its message"
            )
        return self

    @property
    def takes_more(self) -> bool:
        """Whether there is work for it where no provider tells anything."""
        return False

    @model_validator(mode="after")
    def _has_work(self) -> Self:
        try:
            read_receivers(self.providers_file, self.receipts, {}, needed=not self.takes_more)
        except ProvidersInvalid as invalid:
            raise ValueError(str(invalid)) from invalid
        return self

    @classmethod
    def of_other_roles(cls) -> Collection[str]:
        """Those of the dispatcher itself."""
        return [f"{prefix_of(cls)}{name.upper()}" for name in DispatcherSettings.model_fields]

    def advice(self) -> Iterable[Advice]:
        """Callbacks that anyone on the way can read and change."""
        yield from super().advice()
        url = urlsplit(self.callbacks_url)
        host = url.hostname or ""
        if url.scheme == "http" and host not in _THIS_MACHINE and ("." in host or ":" in host):
            yield Advice(
                variable=variable_of(type(self), "callbacks_url"),
                harm="begins with http: anyone on the way reads addresses in callbacks, and some providers call nothing but https",
                remedy="give an address with https",
            )


def callbacks_service(
    settings: CallbackSettings, *, channel: Channel, more: MakeMore | None = None
) -> Service:
    """What `tocsin.runtime.main` runs. `more` makes what the channel answers beside callbacks."""
    name = role_name(channel)
    clock, health, topics = SystemClock(), Health(service=name), Topics(settings.kafka.topic_prefix)
    receivers = Receivers(
        channel=channel,
        path=settings.providers_file,
        kinds=settings.receipts,
        ref_keys=ref_keys(settings.ref_keys),
        clock=clock,
        needed=not settings.takes_more,
    )
    limits = {topic.name: topic.max_message_bytes for topic in topics.all() if topic.family == "status"}
    publisher = Publisher(settings=settings.kafka, health=health, limits=limits)
    callbacks = Callbacks(
        service=name,
        channel=channel,
        receivers=receivers,
        publisher=publisher,
        topics=topics,
        public_url=settings.callbacks_url,
        max_bodies_bytes=settings.http.bodies_bytes,
        clock=clock,
    )

    beside = more(publisher, topics, clock) if more is not None else More(routes=(), components=())

    async def tell_the_rest() -> None:
        callbacks.close()

    return Service(
        operations=operations_app(name=name, health=health),
        api=Api(
            app=callbacks_app(callbacks, service=name, health=health, more=beside.routes),
            settings=settings.http,
        ),
        health=health,
        components=[
            receivers,
            publisher,
            *beside.components,
            FunctionComponent(name="lines of callbacks", close=tell_the_rest),
        ],
    )
