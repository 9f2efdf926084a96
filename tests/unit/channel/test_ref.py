"""Refs: whatever the job, what comes back is what went out, and nobody else can open or make one."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.channel.ref import MOST_CHARS, Ref, RefKey, Refs, pieces, with_ref
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.testing.jobs import job_for

OLD, NEW = RefKey("2025", "o" * 32), RefKey("2026", "n" * 32)
SHAPE = re.compile(r"[A-Za-z0-9_-]{110,560}")
FIELDS = ("origin", "workflow", "step", "category", "address_key", "address_hash")
"""What very long ids leave no room for, in this order."""

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=60)
recipients = names.filter(lambda name: len(name.encode()) <= 256)


def refs(*keys: RefKey, channel: Channel = Channel.EMAIL, instance: str = "primary") -> Refs:
    return Refs(keys or (NEW,), channel=channel, instance=instance)


def said_by(job: Job) -> dict[str, Any]:
    return {name: getattr(job, name) for name in Ref.__struct_fields__}


def sealed(job: Job, by: Refs | None = None) -> str:
    ref = (by or refs()).seal(job)
    assert ref is not None
    return ref


@settings(max_examples=150)
@given(
    tenant=st.from_regex(r"[a-z0-9-]{1,63}", fullmatch=True),
    recipient=recipients,
    workflow=names,
    category=names,
    step=names,
    address_key=names,
    lane=st.sampled_from(Lane),
    test=st.booleans(),
)
def test_any_job_comes_back(**fields: Any) -> None:
    job = job_for(Channel.EMAIL, **fields)
    ref = sealed(job)
    assert SHAPE.fullmatch(ref)
    opened = refs().open(ref)
    assert opened is not None
    said = said_by(job)
    missing = {name for name in said if getattr(opened, name) != said[name]}
    assert missing == set(FIELDS[: len(missing)])
    assert all(getattr(opened, name) is None for name in missing)


def test_an_ordinary_job_comes_back_whole() -> None:
    job = job_for(Channel.EMAIL)
    opened = refs().open(sealed(job))
    assert opened == Ref(**said_by(job))


def test_the_longest_ids_leave_room_for_themselves_alone() -> None:
    key = RefKey("k" * 16, "s" * 32)
    job = job_for(
        Channel.EMAIL, tenant="t" * 63, recipient="r" * 256, workflow="w" * 200, origin="o/1/2" * 20
    )
    ref = sealed(job, refs(key))
    assert len(ref) <= MOST_CHARS
    opened = refs(key).open(ref)
    assert opened is not None
    assert (opened.tenant, opened.recipient, opened.delivery_id) == (
        job.tenant,
        job.recipient,
        job.delivery_id,
    )
    assert opened.origin is opened.workflow is None


def test_the_same_job_never_has_the_same_ref_twice() -> None:
    job = job_for(Channel.EMAIL)
    assert len({sealed(job) for _ in range(100)}) == 100


def test_it_says_nothing_to_whoever_has_no_key() -> None:
    raw = urlsafe_b64decode(sealed(job_for(Channel.EMAIL, recipient="marked-recipient")) + "==")
    assert b"marked" not in raw
    assert b"acme" not in raw


@pytest.mark.parametrize(
    "other",
    [
        refs(instance="secondary"),
        refs(channel=Channel.SMS),
        refs(RefKey("2026", "x" * 32)),
        refs(OLD),
    ],
    ids=["instance", "channel", "secret", "key"],
)
def test_what_another_sealed_does_not_open(other: Refs) -> None:
    assert refs().open(sealed(job_for(Channel.EMAIL), other)) is None


@settings(max_examples=200)
@given(position=st.integers(min_value=0), bit=st.integers(0, 7))
def test_one_changed_bit_opens_nothing(position: int, bit: int) -> None:
    raw = bytearray(urlsafe_b64decode(_padded(sealed(job_for(Channel.EMAIL)))))
    raw[position % len(raw)] ^= 1 << bit
    assert refs().open(urlsafe_b64encode(raw).rstrip(b"=").decode()) is None


@settings(max_examples=200)
@given(
    st.one_of(st.text(max_size=600), st.binary(max_size=450).map(lambda raw: urlsafe_b64encode(raw).decode()))
)
def test_nothing_else_opens_and_nothing_raises(text: str) -> None:
    assert refs(NEW, OLD).open(text) is None


def test_keys_are_replaced_without_losing_a_receipt() -> None:
    job = job_for(Channel.EMAIL)
    before = sealed(job, refs(OLD))
    during = refs(NEW, OLD)
    assert during.open(before) is not None
    assert refs(NEW).open(sealed(job, during)) is not None
    assert refs(NEW).open(before) is None


@pytest.mark.parametrize("field", ["delivery_id", "notification_id"])
def test_ids_that_are_not_ours_have_no_ref(field: str) -> None:
    assert refs().seal(job_for(Channel.EMAIL, **{field: "no-uuid"})) is None


def test_keys_do_not_show_their_secrets() -> None:
    assert "nnnn" not in repr(NEW)


def test_how_it_travels() -> None:
    ref = sealed(job_for(Channel.EMAIL))
    assert with_ref("https://x.example/cb", ref) == f"https://x.example/cb?ref={ref}"
    assert with_ref("https://x.example/cb?a=1", ref) == f"https://x.example/cb?a=1&ref={ref}"
    assert with_ref("https://x.example/cb", None) == "https://x.example/cb"
    assert "".join(pieces(ref, 80)) == ref
    assert max(map(len, pieces(ref, 80))) == 80


def _padded(ref: str) -> str:
    return ref + "=" * (-len(ref) % 4)
