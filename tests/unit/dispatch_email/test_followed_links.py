"""What a link of a mail is answered, and what is told of who followed it."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.applications import Starlette
from tests.log_lines import lines_of

from tocsin.channel.ref import RefKey, sealed_job
from tocsin.contracts.codec import decode_status
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.statuses import Status
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.dispatch_email import engagements as module
from tocsin.dispatch_email.engagements import Engagements
from tocsin.dispatch_email.link_tokens import AnyMail, LinkKind, LinkTokens, SealedLink
from tocsin.dispatch_email.links_route import LinksRoute
from tocsin.kafka import NotStored, ProducerRecord, RecordMetadata
from tocsin.testing import ManualClock
from tocsin.testing.jobs import job_for
from tocsin.web.problem import answer_with_problems

TOKENS = LinkTokens([RefKey("2026", "k" * 32)], channel=Channel.EMAIL)
JOB = job_for(Channel.EMAIL)
PERSON = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"


class Topic:
    def __init__(self) -> None:
        self.records: list[ProducerRecord] = []
        self.away = False

    async def publish(self, records: Sequence[ProducerRecord], *, timeout: float) -> list[RecordMetadata]:  # noqa: ASYNC109 - as Publisher has it
        if self.away:
            raise NotStored("away")
        self.records += records
        return [RecordMetadata(record.topic, 0, number, 0) for number, record in enumerate(records)]


class Role:
    """The route with its clock, an hour after the mail was sent."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.sent = self.clock.time_ms() // 1000
        self.clock.advance(hours=1)
        self.topic = Topic()
        self.engagements = Engagements(
            channel=Channel.EMAIL, publisher=self.topic, topics=Topics(), clock=self.clock
        )
        self.route = LinksRoute(channel=Channel.EMAIL, tokens=TOKENS, engagements=self.engagements)
        app = Starlette(routes=self.route.routes)
        answer_with_problems(app)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://role")

    def link(self, url: str | None, about: Any = None, **fields: Any) -> str:
        kind = LinkKind.OPENED if url is None else LinkKind.CLICKED
        about = about or sealed_job(job_for(Channel.EMAIL, **fields))
        return f"/t/{TOKENS.seal(SealedLink(kind, self.sent, about, url))}"

    async def follow(self, path: str, agent: str = PERSON, method: str = "GET") -> httpx.Response:
        return await self.client.request(method, path, headers={"user-agent": agent})

    async def told(self) -> list[tuple[str, bool]]:
        """Once a second has passed."""
        self.clock.advance(1)
        await self.engagements.tell()
        return [
            (status.status, bool(status.receipt and status.receipt.automated)) for status in self.statuses
        ]

    @property
    def statuses(self) -> list[Status]:
        decoded = [decode_status(record.value or b"") for record in self.topic.records]
        return [status for status in decoded if isinstance(status, Status)]


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"channel": "email", **labels}) or 0


async def test_a_link_leads_where_it_led_and_is_told() -> None:
    role = Role()
    before = counted("tocsin_engagements_total", status="clicked", automated="no")
    answer = await role.follow(role.link("https://shop.example/a?x=1&y=%C3%A4"))
    assert (answer.status_code, answer.headers["location"]) == (302, "https://shop.example/a?x=1&y=%C3%A4")
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert role.topic.records == []
    assert await role.told() == [("clicked", False)]
    [record], [status] = role.topic.records, role.statuses
    assert record.topic == Topics().status(Lane.TRANSACTIONAL)
    assert record.key == recipient_key("acme", "ada")
    assert (status.delivery_id, status.workflow, status.category, status.final) == (
        JOB.delivery_id, "order-shipped", "orders", False,
    )  # fmt: skip
    assert status.receipt is not None
    assert status.receipt.at == role.clock.now() - timedelta(seconds=1)
    assert b"shop.example" not in (record.value or b"")
    assert counted("tocsin_engagements_total", status="clicked", automated="no") == before + 1


async def test_a_picture_is_answered_and_told() -> None:
    role = Role()
    answer = await role.follow(role.link(None))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.content.startswith(b"GIF89a")
    assert await role.told() == [("opened", False)]


@pytest.mark.parametrize(
    ("agent", "method"), [(GMAIL, "GET"), ("Mozilla/5.0", "GET"), ("", "GET"), (PERSON, "HEAD")]
)
async def test_what_machines_do_is_marked(agent: str, method: str) -> None:
    role = Role()
    assert (await role.follow(role.link("https://shop.example/"), agent, method)).status_code == 302
    assert (await role.follow(role.link(None), agent, method)).status_code == 200
    assert sorted(await role.told()) == [("clicked", True), ("opened", True)]


@pytest.mark.parametrize(("seconds", "automated"), [(0.0, True), (1.9, True), (2.0, False), (60.0, False)])
async def test_a_click_right_after_the_mail_was_sent_is_a_scanners(seconds: float, automated: bool) -> None:
    role = Role()
    role.sent = role.clock.time_ms() // 1000
    role.clock.advance(seconds)
    await role.follow(role.link("https://shop.example/"))
    assert await role.told() == [("clicked", automated)]


async def test_two_links_within_a_second_are_a_scanners_the_first_as_well() -> None:
    role = Role()
    await role.follow(role.link("https://shop.example/a"))
    role.clock.advance(0.9)
    await role.follow(role.link("https://shop.example/b"))
    assert await role.told() == [("clicked", True), ("clicked", True)]


async def test_two_links_one_after_the_other_are_a_persons() -> None:
    role = Role()
    await role.follow(role.link("https://shop.example/a"))
    role.clock.advance(1.1)
    await role.follow(role.link("https://shop.example/b"))
    await role.follow(role.link("https://shop.example/c", delivery_id="3b0f6c1e-9d4b-5a53-8e33-1f2a4cbb1d11"))
    assert await role.told() == [("clicked", False)] * 3


async def test_a_picture_beside_a_link_is_no_second_link() -> None:
    role = Role()
    await role.follow(role.link(None))
    await role.follow(role.link("https://shop.example/a"))
    assert sorted(await role.told()) == [("clicked", False), ("opened", False)]


async def test_repeats_are_one_status_and_a_person_is_told_beside_a_machine() -> None:
    role = Role()
    link = role.link("https://shop.example/a")
    for agent in (PERSON, PERSON, GMAIL):
        await role.follow(link, agent)
    await role.told()
    await role.follow(
        role.link("https://shop.example/a")
    )  # sealed again, for a second try at another provider
    assert sorted(await role.told()) == [("clicked", False), ("clicked", True)]
    again = Role()
    await again.follow(link)
    await again.told()
    assert again.statuses[0].status_id in {status.status_id for status in role.statuses}
    assert len({status.status_id for status in role.statuses}) == 2


async def test_while_kafka_is_away_people_get_there_and_it_is_told_later() -> None:
    role = Role()
    role.topic.away = True
    with lines_of("dispatch-email-callbacks") as out:
        assert (await role.follow(role.link("https://shop.example/"))).status_code == 302
        assert await role.told() == []
        assert counted("tocsin_engagements_waiting") == 1
        role.topic.away = False
        assert await role.told() == [("clicked", False)]
        assert counted("tocsin_engagements_waiting") == 0
        await role.engagements.close()
    assert json.loads(out.getvalue().splitlines()[0])["event"] == "what was opened and clicked is told later"


async def test_what_is_held_at_the_end_is_told() -> None:
    role = Role()
    await role.follow(role.link("https://shop.example/"))
    await role.engagements.close()
    assert [status.status for status in role.statuses] == ["clicked"]


async def test_what_is_held_is_bounded_and_what_is_lost_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_HELD", 3)
    role, before = Role(), counted("tocsin_engagements_lost_total")
    for number in range(5):
        assert (await role.follow(role.link(f"https://shop.example/{number}"))).status_code == 302
    assert len(await role.told()) == 3
    assert counted("tocsin_engagements_lost_total") == before + 2


async def test_a_mail_without_a_person_is_counted_once_and_no_status_is_written() -> None:
    role = Role()
    mail = AnyMail(b"12345678", "welcome", "news", "default", test=False)
    labels = {"workflow": "welcome", "category": "news", "template": "default", "automated": "no"}
    name = "tocsin_engagements_of_messages_total"
    for _ in range(2):
        await role.follow(role.link(None, mail))
        await role.follow(role.link("https://shop.example/", mail))
        await role.told()
    assert role.topic.records == []
    assert counted(name, status="opened", **labels) == 1
    assert counted(name, status="clicked", **labels) == 1
    await role.follow(role.link(None, AnyMail(b"other", "trial", "news", "default", test=True)))
    await role.told()
    assert counted(name, **labels | {"workflow": "trial"}, status="opened") == 0


@pytest.mark.parametrize("token", ["x", "a" * 300, "../u/x", "%00"])
async def test_what_nobody_sealed_leads_nowhere(token: str) -> None:
    role, before = Role(), counted("tocsin_links_refused_total")
    answer = await role.follow(f"/t/{token}")
    assert answer.status_code == 404
    assert "location" not in answer.headers
    assert await role.told() == []
    assert counted("tocsin_links_refused_total") in {before, before + 1}


async def test_a_query_changes_nothing_of_where_it_leads() -> None:
    role = Role()
    link = role.link("https://shop.example/")
    answer = await role.follow(f"{link}?url=https://evil.example/&location=https://evil.example/")
    assert answer.headers["location"] == "https://shop.example/"
    changed = link[:-8] + ("A" if link[-8] != "A" else "B") + link[-7:]
    assert (await role.follow(changed)).status_code == 404
