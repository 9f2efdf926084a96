"""The keys with which tenants sign tokens of their recipients, as topic `directory` tells them, opened for who verifies."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from tocsin.contracts.codec import decode_directory
from tocsin.contracts.directory import InboxKey, InboxKeysRecord
from tocsin.observability import get_logger
from tocsin.runtime import Clock, SystemClock
from tocsin.trust import RecipientKey, Seal, SealBroken, SealKeyMissing
from tocsin.web import codes
from tocsin.web.auth import KeyedRecord
from tocsin.web.problem import Problem

log = get_logger(__name__)

_INBOX_KEYS: Final = b"inbox_keys/"
_LOG_SECONDS: Final = 60.0
_MOST_LOGGED: Final = 1000


def sealed_for(key_id: str) -> str:
    """What the secret of a key is sealed for, besides the tenant."""
    return f"inbox_key/{key_id}"


class InboxKeyOpener:
    """Makes of a stored key one that verifies. `seal` is asked for at each use."""

    def __init__(self, *, seal: Callable[[], Seal], clock: Clock) -> None:
        self._seal = seal
        self._clock = clock
        self._logged_at: dict[tuple[str, str], float] = {}

    def opened(self, key: InboxKey, tenant: str) -> RecipientKey | None:
        """The key; None where its secret was not sealed for this tenant. Raises 503 where `SEAL_KEYS` cannot open it."""
        if key.algorithm == "ES256":
            return RecipientKey(algorithm="ES256", key=key.public_key or "")
        try:
            secret = self._seal().open(key.sealed or "", tenant=tenant, entity=sealed_for(key.id))
        except SealBroken as error:
            self._log(tenant, key.id, error)
            return None
        except SealKeyMissing as error:
            self._log(tenant, key.id, error)
            detail = "A key of the tenant cannot be opened: the operator of this installation has to look at SEAL_KEYS."
            raise Problem(codes.NOT_READY, detail, headers={"retry-after": "60"}) from error
        return RecipientKey(algorithm="HS256", key=secret)

    def _log(self, tenant: str, key_id: str, error: Exception) -> None:
        """Once a minute and key: recipients call often."""
        now, about = self._clock.monotonic(), (tenant, key_id)
        if about in self._logged_at and now < self._logged_at[about] + _LOG_SECONDS:
            return
        if len(self._logged_at) >= _MOST_LOGGED:
            self._logged_at.clear()
        self._logged_at[about] = now
        log.warning("an inbox key cannot be opened", tenant=tenant, inbox_key=key_id, reason=str(error))


class InboxKeyTable:
    """A `TokenDirectory` in memory. A `Replica` of `directory` calls `apply`; its records have the key `inbox_keys/<tenant>`.

    Secrets lie in it sealed, as they came. It asks nobody, so `only_known` makes no difference.
    """

    def __init__(self, *, seal: Seal, clock: Clock | None = None) -> None:
        self._opener = InboxKeyOpener(seal=lambda: seal, clock=clock or SystemClock())
        self._tenants: dict[str, InboxKeysRecord] = {}
        self._origins: Counter[str] = Counter()

    def apply(self, record: KeyedRecord) -> None:
        """Take one record of `directory`, oldest first; all else is ignored. Raises what the codec raises (`UNREADABLE_ERRORS`)."""
        if record.key is None or not record.key.startswith(_INBOX_KEYS):
            return
        entity = None if record.value is None else decode_directory(record.value)
        tenant = record.key.removeprefix(_INBOX_KEYS).decode(errors="replace")
        former = self._tenants.pop(tenant, None)
        if former is not None:
            self._origins -= Counter(former.origins)
        if isinstance(entity, InboxKeysRecord):
            self._tenants[tenant] = entity
            self._origins += Counter(entity.origins)

    async def key(self, tenant: str, key_id: str, *, only_known: bool) -> RecipientKey | None:  # noqa: ARG002 - as `TokenDirectory` has it
        """The key, opened; None where the tenant has none of this name, or one that was not sealed for it. Raises 503 where the
        installation cannot open it."""
        record = self._tenants.get(tenant)
        for key in () if record is None else record.keys:
            if key.id == key_id:
                return self._opener.opened(key, tenant)
        return None

    async def lets_call(self, origin: str, tenant: str | None, *, only_known: bool) -> bool:  # noqa: ARG002 - as `TokenDirectory` has it
        """Whether the tenant, or any where it is None, has named this origin."""
        if tenant is None:
            return self._origins[origin] > 0
        record = self._tenants.get(tenant)
        return record is not None and origin in record.origins
