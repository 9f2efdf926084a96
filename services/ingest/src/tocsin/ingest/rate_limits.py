"""How many requests and recipients a second a tenant may send, and each of its keys.

Every instance of ingest counts for itself and gives its share: the limit, divided by the number of instances. They share nothing, so a
request costs no call, and the limit is kept as well as the load is spread.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Final, NamedTuple

from tocsin.contracts.directory import TenantLimits
from tocsin.runtime import Clock
from tocsin.runtime.token_bucket import TokenBucket
from tocsin.web import Caller, Problem, codes

LimitsOf = Callable[[str], TenantLimits | None]
"""What the directory says of a tenant; None where it says nothing."""


class Policy(NamedTuple):
    """One limit: its name, as `RateLimit` has it, the field that holds it, and whose it is."""

    name: str
    field: str
    of_key: bool


_REQUESTS: Final = (
    Policy("tenant-requests", "requests_per_second", of_key=False),
    Policy("key-requests", "key_requests_per_second", of_key=True),
)
_RECIPIENTS: Final = (
    Policy("tenant-recipients", "recipients_per_second", of_key=False),
    Policy("key-recipients", "key_recipients_per_second", of_key=True),
)


class RateLimits:
    """Of one process. Buckets live as long as it does: there are as many as tenants and keys have limits."""

    def __init__(self, *, defaults: TenantLimits, instances: int, limits_of: LimitsOf, clock: Clock) -> None:
        self._defaults = defaults
        self._instances = instances
        self._limits_of = limits_of
        self._clock = clock
        self._buckets: dict[tuple[str, str], tuple[int, TokenBucket]] = {}

    def request(self, caller: Caller) -> None:
        """A request came. Raises 429 where it is one too many."""
        self._take(caller, _REQUESTS, 1)

    def recipients(self, caller: Caller, number: int) -> None:
        """So many recipients are about to be sent to. Raises 429 where that is too many at present.

        More than a second's worth are taken when nothing was sent for a second, and the time that they need follows.
        """
        self._take(caller, _RECIPIENTS, number)

    def _take(self, caller: Caller, policies: tuple[Policy, ...], number: int) -> None:
        limits = self._limits_of(caller.tenant) or self._defaults
        now = self._clock.monotonic()
        chosen: list[TokenBucket] = []
        for policy in policies:
            limit = getattr(limits, policy.field)
            if limit is None:
                limit = getattr(self._defaults, policy.field)
            if limit is None:
                continue
            bucket = self._bucket(policy, caller, limit, now)
            if wait := bucket.wait(now, tokens=min(number, bucket.burst)):
                raise _too_many(policy, limit, wait)
            chosen.append(bucket)
        for bucket in chosen:
            bucket.take(now, tokens=number)

    def _bucket(self, policy: Policy, caller: Caller, limit: int, now: float) -> TokenBucket:
        """Its bucket; a new one, which is full, where the limit was changed."""
        key = (policy.name, caller.key_id if policy.of_key else caller.tenant)
        known = self._buckets.get(key)
        if known is not None and known[0] == limit:
            return known[1]
        share = limit / self._instances
        bucket = TokenBucket(rate=share, burst=max(1.0, share), now=now)
        self._buckets[key] = (limit, bucket)
        return bucket


def _too_many(policy: Policy, limit: int, wait: float) -> Problem:
    seconds = math.ceil(wait)
    whose, _, what = policy.name.partition("-")
    detail = (
        f"Your {'API key' if whose == 'key' else 'tenant'} may send {limit} {what} a second. Repeat this after {seconds} s, "
        "with the same id: nothing of it was stored."
    )
    headers = {
        "retry-after": str(seconds),
        "ratelimit-policy": f'"{policy.name}";q={limit};w=1',
        "ratelimit": f'"{policy.name}";r=0;t={seconds}',
    }
    return Problem(codes.RATE_LIMITED, detail, headers=headers)


def day_is_full(now: datetime, limits: TenantLimits | None) -> Problem:
    """The tenant has sent as many notifications today as these limits allow."""
    quota = limits.messages_per_day if limits else None
    begins = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
    seconds = math.ceil((begins - now).total_seconds())
    detail = "Your tenant has sent as many notifications today (UTC) as it may. Repeat this tomorrow, with the same id: nothing of it was stored."
    allowed = "" if quota is None else f";q={quota}"
    headers = {
        "retry-after": str(seconds),
        "ratelimit-policy": f'"tenant-day"{allowed};w=86400',
        "ratelimit": f'"tenant-day";r=0;t={seconds}',
    }
    return Problem(codes.QUOTA_EXCEEDED, detail, headers=headers)
