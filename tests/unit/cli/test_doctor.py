"""What the doctor says of a process that is silent, and of one that answers something else."""

import httpx
import pytest

from tocsin.cli import doctor
from tocsin.cli.findings import Finding
from tocsin.cli.looks import Look, as_alerts_say, firing, look

URL = "http://10.0.0.7:9000"


async def told(answer: httpx.Response | Exception) -> str:
    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
        (finding,) = (await look(client, "router", URL, apart=0)).wrong
    return finding.what


async def test_a_process_that_is_silent_does_not_answer() -> None:
    assert (await told(httpx.ConnectError("refused"))).startswith(f"router does not answer at {URL}: ")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=["a"]),
        httpx.Response(200, json={"checks": [{"name": "kafka"}]}),
        httpx.Response(200, json={"checks": None}),
        httpx.Response(404, json={}),
    ],
)
async def test_one_that_answers_something_else_is_not_called_silent(answer: httpx.Response) -> None:
    assert (await told(answer)).startswith(f"router answers at {URL} what the doctor does not understand: ")


def test_of_a_component_without_a_process_that_answers_or_is_ready_another_alert_pages() -> None:
    silent = Finding(what="silent", remedy="", runbook="TocsinTargetDown")
    not_ready = Finding(what="not ready", remedy="", runbook="TocsinNotReady")
    looks = [
        Look(wrong=[silent], component="router", answered=False),
        Look(wrong=[not_ready], component="ingest", ready=False),
        Look(wrong=[silent], component="ledger", answered=False),
        Look(wrong=[not_ready], component="ledger", ready=False),
        Look(wrong=[], component="ledger"),
        Look(wrong=[silent], component=URL, answered=False),
    ]
    assert [finding.runbook for finding in as_alerts_say(looks)] == [
        "TocsinComponentGone", "TocsinComponentNotReady", "TocsinTargetDown", "TocsinNotReady", "TocsinTargetDown",
    ]  # fmt: skip


async def test_prometheus_tells_which_alerts_of_ours_fire() -> None:
    def alert(name: str, state: str) -> dict[str, object]:
        return {"labels": {"alertname": name}, "state": state, "annotations": {"summary": f"{name} says"}}

    alerts = [
        alert("TocsinPoison", "firing"),
        alert("TocsinLateFast", "pending"),
        alert("Watchdog", "firing"),
    ]
    answers = {"/api/v1/alerts": httpx.Response(200, json={"data": {"alerts": alerts}})}
    transport = httpx.MockTransport(lambda request: answers.get(request.url.path, httpx.Response(404)))
    async with httpx.AsyncClient(transport=transport) as client:
        assert [(one.runbook, one.what) for one in await firing(client, URL)] == [
            ("TocsinPoison", "TocsinPoison says.")
        ]
        (refused,) = await firing(client, f"{URL}/elsewhere")
    assert refused.what.startswith(f"Prometheus does not tell its alerts at {URL}/elsewhere: ")


async def test_what_was_not_asked_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def seen(client: httpx.AsyncClient, name: str, url: str) -> Look:
        return Look(wrong=[], component=name)

    monkeypatch.setattr(doctor, "look", seen)
    told = await doctor._examine(None, {"router": URL, "ingest": URL}, None)
    assert (told.wrong, told.asked) == ([], ["2 processes"])
    assert [sentence.partition(":")[0] for sentence in told.not_asked] == [
        "the brokers, as KAFKA_BOOTSTRAP_SERVERS is not set",
        "processes of scheduler, ledger, dispatch-email, dispatch-sms, dispatch-push, dispatch-chat, dispatch-webhook, dispatch-inapp (--process URL)",
        "Prometheus (--prometheus URL)",
    ]
