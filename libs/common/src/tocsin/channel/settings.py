"""What every dispatcher is set up with."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from tocsin.channel.deferral import DeferralPolicy
from tocsin.channel.provider_config import ProviderKind, read_providers, usable_providers
from tocsin.channel.ref_settings import RefKeySetting
from tocsin.contracts.limits import MESSAGE_LIFE_SECONDS
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import KafkaSettings
from tocsin.runtime import About, Advice, LaneSettings, ServiceSettings, Shards, Unwise
from tocsin.runtime.bounds import CRITICAL
from tocsin.runtime.setting_names import prefix_of, variable_of


class ProviderSettings(ServiceSettings):
    """What dispatchers and their role `callbacks` both read."""

    kafka: KafkaSettings = Field(default_factory=KafkaSettings, description="Brokers and topics")
    providers_file: Annotated[
        Path,
        About(
            change="its content and the files it names: hot, within 5 s of the file's change",
            danger="A file that became invalid is logged, and the former one stays in use until the next start, which fails",
        ),
    ] = Field(description="File that lists the provider instances, the default one first")
    ref_keys: Annotated[
        RefKeySetting,
        About(
            example="2026:32-random-characters-or-more-of-refs",
            danger="Receipts of messages that were sealed with a key that is gone come to nothing: put the new key first and keep the old one for a month",
        ),
    ] = Field(
        default=[],
        validation_alias="DISPATCH_REF_KEYS",
        description="Keys that seal what messages carry for their receipts, as id:secret or id:secret,id:secret; the first seals, both open. "
        "The same in all dispatchers and their role `callbacks`. Empty: messages carry nothing, and providers' receipts come to nothing",
    )


class DispatcherSettings(ProviderSettings, LaneSettings):
    """Subclass it in a dispatcher, with the dispatcher's `env_prefix` (`DISPATCH_EMAIL_`) and its `kinds`.

    The file of provider instances is read while settings are checked: its faults stop the start like any other.
    """

    kinds: ClassVar[Mapping[str, ProviderKind[Any]]]
    """The dispatcher's adapters, by the `kind` that a provider instance names."""

    shards: Shards = 4
    instances: Annotated[
        int,
        About(
            unit="processes",
            danger="With fewer than run, all together send faster than a provider's `rate`; with more, slower",
        ),
    ] = Field(
        default=1,
        ge=1,
        description="Processes of this dispatcher. A provider's `rate` and `rate_per_sender` are shared: each process sends at the rate divided by this",
    )
    max_unrecorded: Annotated[
        int,
        About(
            unit="deliveries",
            under=Unwise(
                bound=16,
                harm="providers wait while Kafka acknowledges what came of so few calls",
                remedy="leave it at 128",
            ),
            danger="So many of each lane may be sent a second time after a crash",
        ),
    ] = Field(
        default=128,
        ge=1,
        description="Deliveries of each lane that have ended and are not recorded yet; at so many no call begins. A provider's `max_in_flight` bounds its calls",
    )
    window_bytes: Annotated[
        int, About(unit="bytes", danger="It is memory: keep it well below the container's limit")
    ] = Field(
        default=64 * 1024 * 1024,
        ge=4 * 1024 * 1024,
        description="Bytes of jobs held in memory by the process",
    )
    retry_first: Annotated[
        float, About(unit="seconds", danger="Longer than a message lives, and it is never tried again")
    ] = Field(
        default=4.0,
        ge=1,
        le=3600,
        description="Seconds: after its n-th attempt a message that no provider took waits for a random part of this * factor^(n-1)",
    )
    retry_factor: Annotated[float, About(unit="factor")] = Field(
        default=2.0, ge=1, le=10, description="The factor of that"
    )
    retry_cap: Annotated[float, About(unit="seconds")] = Field(
        default=900.0, ge=1, le=86_400, description="Seconds it waits at most"
    )
    retry_attempts: Annotated[
        int,
        About(
            unit="attempts",
            under=Unwise(
                bound=3,
                harm="an outage of a few seconds ends messages as `failed`",
                remedy="leave it at 100; a message ends in any case when it expires",
            ),
        ),
    ] = Field(default=100, ge=1, le=1000, description="Attempts after which such a message ends as `failed`")
    retry_age: Annotated[
        float,
        About(
            unit="seconds",
            under=Unwise(
                bound=60,
                harm="an outage of a minute ends messages as `failed`",
                remedy="leave it at six days; a message ends in any case when it expires",
            ),
        ),
    ] = Field(
        default=float(MESSAGE_LIFE_SECONDS),
        ge=0,
        le=MESSAGE_LIFE_SECONDS,
        description="Seconds after the first attempt after which it ends; it ends no later than it expires",
    )

    @field_validator("providers_file")
    @classmethod
    def _usable(cls, path: Path) -> Path:
        return usable_providers(path, cls.kinds)

    @classmethod
    def of_other_roles(cls) -> Collection[str]:
        """Those of the role `callbacks`."""
        return (f"{prefix_of(cls)}CALLBACKS_URL",)

    def advice(self) -> Iterable[Advice]:
        """Pauses against each other and against a message's life, and the providers' calls against the lane's bound."""
        yield from super().advice()
        first, cap = self._variable("retry_first"), self._variable("retry_cap")
        if self.retry_first > self.retry_cap:
            yield Advice(
                variable=first,
                harm=f"is longer than {cap}, so every pause is cut to {self.retry_cap:g} s and none grows",
                remedy=f"keep it below {cap}",
            )
        quickest = min(self.lanes, key=lambda lane: lane.default_ttl_seconds)
        if self.retry_first > quickest.default_ttl_seconds:
            yield Advice(
                variable=first,
                harm=f"is longer than a {quickest} message lives ({quickest.default_ttl_seconds} s): most are never tried again",
                remedy="leave it at a few seconds",
            )
        if Lane.CRITICAL in self.lanes:
            yield from self._calls_that_are_cut()

    def _calls_that_are_cut(self) -> Iterable[Advice]:
        for name, config in read_providers(self.providers_file, self.kinds, {}).configs.items():
            if config.call_timeout > CRITICAL.send_timeout:
                yield Advice(
                    variable=self._variable("providers_file"),
                    harm=f"gives {name} a `call_timeout` of {config.call_timeout:g} s, and the critical lane ends a call after {CRITICAL.send_timeout:g} s: "
                    "a later answer counts as ambiguous, and the message may go out twice",
                    remedy=f"set it below {CRITICAL.send_timeout:g}, or leave the critical lane to processes with another file",
                )

    def _variable(self, field: str) -> str:
        return variable_of(type(self), field)

    def deferral(self) -> DeferralPolicy:
        """How long what no provider takes is tried."""
        return DeferralPolicy(
            first=self.retry_first,
            factor=self.retry_factor,
            cap=self.retry_cap,
            attempts=self.retry_attempts,
            age=self.retry_age,
        )
