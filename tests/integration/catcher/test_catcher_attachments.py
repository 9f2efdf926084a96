"""Attachments in the catcher: they are listed, and saved byte for byte; a browser opens none of them."""

from pathlib import Path

import httpx
import pytest
from tests.attached_files import NAMES, PDF, here, mail_with
from tests.integration.catcher.test_catcher_mail_providers import POSTMARK, SECRETS, postmark, provider

from tocsin.catcher.testing import RunningCatcher
from tocsin.channel import Accepted
from tocsin.contracts.jobs import EmailContent, SenderIdentity
from tocsin.dispatch_email.mailboxes import mailbox
from tocsin.dispatch_email.mime import mail

LARGE = bytes(range(256)) * 8192
FILES = (here(LARGE, name="請求書.pdf"), here(b"png", name="logo.png", type="image/png", inline="logo"))


def saved(catcher: RunningCatcher, identity: str, place: int) -> httpx.Response:
    return httpx.get(f"{catcher.url}/api/messages/{identity}/attachments/{place}")


async def sent(name: str, catcher: RunningCatcher, folder: Path) -> None:
    """By our adapter."""
    adapter = provider(name, catcher, folder, secret=SECRETS[name])
    await adapter.open()
    adapter.files_of = lambda _job: FILES
    content = EmailContent(subject="Hello", text="Hello", html="<img src='cid:logo'>")
    answer = await adapter.send(mail_with(*(file.about for file in FILES), content=content))
    await adapter.close()
    assert isinstance(answer, Accepted)


@pytest.mark.parametrize("name", sorted(SECRETS))
async def test_what_our_adapter_sends_can_be_saved(
    catcher: RunningCatcher, tmp_path: Path, name: str
) -> None:
    await sent(name, catcher, tmp_path)
    [caught] = catcher.messages(channel="email")
    listed = {each["name"]: place for place, each in enumerate(caught["attachments"])}
    assert listed.keys() == {"請求書.pdf", "logo.png"}
    for file, content in zip(FILES, (LARGE, b"png"), strict=True):
        answer = saved(catcher, caught["id"], listed[file.about.name])
        assert (answer.status_code, answer.content) == (200, content)
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment; ")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("sandbox")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_any_script_is_shown(catcher: RunningCatcher, name: str) -> None:
    source = mail(
        content=EmailContent(subject="Hello", text="Hello"),
        sender=SenderIdentity(address="shop@example.com"),
        to=mailbox("ada@example.org"),
        delivery_id="3b0f6c1e-9d4b-5a53-8e33-1f2a4cbb1d10",
        notification_id="c1d3a1f0-2f6e-5a2b-9a67-0d7a3b1c2e4f",
        unsubscribe_url=None,
        files=[here(name=name)],
        now=1_767_225_600.7,
    )
    catcher.raw_mail(source)
    [caught] = catcher.messages()
    assert [each["name"] for each in caught["attachments"]] == [name]
    assert saved(catcher, caught["id"], 0).content == PDF


@pytest.mark.parametrize("place", ["1", "99", "-1", "x"])
def test_what_is_not_there(catcher: RunningCatcher, place: str) -> None:
    postmark(catcher, POSTMARK)
    [caught] = catcher.messages()
    answer = httpx.get(f"{catcher.url}/api/messages/{caught['id']}/attachments/{place}")
    assert answer.status_code in {404, 422}


@pytest.mark.parametrize(
    "attached",
    [
        {"Name": "a.pdf", "ContentType": "application/pdf", "Content": "no base64!"},
        {"Name": "a.pdf", "ContentType": "application/pdf", "Content": ""},
        {"Name": "a.pdf", "Content": "JVBERi0="},
        {"ContentType": "application/pdf", "Content": "JVBERi0="},
    ],
)
def test_what_postmark_would_refuse(catcher: RunningCatcher, attached: dict[str, str]) -> None:
    answer = postmark(catcher, POSTMARK | {"Attachments": [attached]})
    assert (answer.status_code, answer.json()["ErrorCode"]) == (422, 300)
    assert catcher.messages() == []
