"""Our providers and the development stack's catcher agree: one message of each channel arrives, with its ids."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tocsin.catcher.service_account import write_account
from tocsin.channel import Accepted, ProviderKind
from tocsin.channel.provider_config import read_providers
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_email.smtp import SMTP
from tocsin.dispatch_push.fcm import FCM
from tocsin.dispatch_sms.twilio import TWILIO
from tocsin.runtime import SystemClock
from tocsin.testing.jobs import job_for

ACCOUNT = "AC" + "0" * 31 + "1"
KINDS: dict[str, ProviderKind[Any]] = {"smtp": SMTP, "twilio": TWILIO, "fcm": FCM}


@pytest.fixture
async def catcher(tmp_path: Path) -> AsyncIterator[dict[str, Any]]:
    """The ports of a running catcher."""
    ports = tmp_path / "ports.json"
    settings = {
        "CATCHER_PORTS_FILE": str(ports),
        "CATCHER_TWILIO_ACCOUNT_SID": ACCOUNT,
        "CATCHER_TWILIO_AUTH_TOKEN": "local",
        "CATCHER_FCM_ACCOUNT_FILE": str(tmp_path / "account.json"),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tocsin.catcher", env=os.environ | settings, stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(30):
        while not ports.exists():  # noqa: ASYNC110 - a file is all that another process tells
            await asyncio.sleep(0.02)
    yield json.loads(ports.read_text())
    process.terminate()
    await process.wait()


async def test_one_message_of_each_channel_is_caught_with_its_ids(
    catcher: dict[str, Any], tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{catcher['http']}"
    write_account(tmp_path / "account.json", project="tocsin-local", token_uri=f"{url}/token")
    (tmp_path / "token").write_text("local")
    (tmp_path / "providers.toml").write_text(
        f"""
        [[providers]]
        name = "email"
        kind = "smtp"
        host = "127.0.0.1"
        port = {catcher["smtp"]}
        tls = "none"

        [[providers]]
        name = "sms"
        kind = "twilio"
        base_url = "{url}"
        account_sid = "{ACCOUNT}"
        auth_token_file = "token"

        [[providers]]
        name = "push"
        kind = "fcm"
        base_url = "{url}"
        service_account_file = "account.json"
        """
    )
    for config in read_providers(tmp_path / "providers.toml", KINDS, {}).configs.values():
        provider = KINDS[config.kind].create(config, SystemClock())
        await provider.open()
        answer = await provider.send(job_for(Channel(config.name)))
        assert isinstance(answer, Accepted), answer
        await provider.close()

    async with httpx.AsyncClient(trust_env=False) as client:
        caught = (await client.get(f"{url}/api/messages")).json()
    messages = caught["data"] if isinstance(caught, dict) else caught
    job = job_for(Channel.EMAIL)
    assert {message["channel"] for message in messages} == {"email", "sms", "push"}
    assert {(message["notification_id"], message["delivery_id"]) for message in messages} == {
        (job.notification_id, job.delivery_id)
    }
