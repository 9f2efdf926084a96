"""What every dispatcher is made of: the `Dispatcher` itself, what a provider promises, and how one is configured.

Providers that speak HTTP import `tocsin.channel.http` besides; the others need not load its clients.
"""

from tocsin.channel.answers import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled, message_id
from tocsin.channel.dispatcher import Dispatcher
from tocsin.channel.far_ends import FarEnds
from tocsin.channel.provider import Provider
from tocsin.channel.provider_config import (
    Idempotency,
    InstanceConfig,
    ProviderKind,
    ProvidersInvalid,
    SecretFile,
    SenderConfig,
    TargetedConfig,
    check_providers,
    one_word,
    usable_providers,
)
from tocsin.channel.settings import DispatcherSettings

__all__ = [
    "Accepted",
    "Ambiguous",
    "Answer",
    "Dispatcher",
    "DispatcherSettings",
    "FarEnds",
    "Idempotency",
    "InstanceConfig",
    "NotSent",
    "Provider",
    "ProviderKind",
    "ProvidersInvalid",
    "Rejected",
    "SecretFile",
    "SenderConfig",
    "TargetedConfig",
    "Throttled",
    "check_providers",
    "message_id",
    "one_word",
    "usable_providers",
]
