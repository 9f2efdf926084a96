"""The SES provider against moto's server, which checks signatures and policies as AWS does, in code that nobody here wrote."""

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.session import get_session
from tests.integration.dispatch_email.mail_forms import parsed

from tocsin.channel import Accepted, NotSent, Rejected
from tocsin.contracts.jobs import SenderIdentity
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dev.processes import end, free_port, spawn, wait_for_port
from tocsin.dispatch_email.ses import SesConfig, SesProvider
from tocsin.runtime import SystemClock
from tocsin.testing.jobs import job_for

REGION = "eu-west-1"
POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ses:*", "Resource": "*"}]}'
SET_UP = 5
"""Requests that moto takes before it wants a signature."""


class Moto:
    """The server, with a user who may use SES."""

    def __init__(self, url: str) -> None:
        self.url = url
        with closing(self._client("iam")) as iam:
            iam.create_user(UserName="tocsin")
            iam.put_user_policy(UserName="tocsin", PolicyName="ses", PolicyDocument=POLICY)
            self.key: dict[str, str] = iam.create_access_key(UserName="tocsin")["AccessKey"]
        with closing(self._client("sesv2")) as ses:
            ses.create_email_identity(EmailIdentity="example.com")
            ses.create_configuration_set(ConfigurationSetName="tocsin")

    def _client(self, service: str) -> Any:
        return get_session().create_client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="setting-up",
            aws_secret_access_key="setting-up",
        )

    def provider(self, folder: Path, **fields: str) -> SesProvider:
        """A provider with the user's key; `fields` replace its own."""
        (folder / "key").write_text(self.key["SecretAccessKey"])
        entry = {
            "name": "moto",
            "kind": "ses",
            "region": REGION,
            "access_key_id": self.key["AccessKeyId"],
            "secret_access_key_file": "key",
            "configuration_set": "tocsin",
            "base_url": self.url,
            "call_timeout": 20,
        }
        return SesProvider(
            SesConfig.model_validate(entry | fields, context={"folder": folder}), SystemClock()
        )

    def mails(self) -> list[dict[str, Any]]:
        """What it has taken."""
        data = httpx.get(f"{self.url}/moto-api/data.json").raise_for_status().json()
        mails: list[dict[str, Any]] = data["ses"]["RawMessage"]
        return mails


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    port, log = free_port(), tmp_path_factory.mktemp("moto") / "moto.log"
    environment = {"INITIAL_NO_AUTH_ACTION_COUNT": str(SET_UP), "PATH": "/usr/bin:/bin"}
    process = spawn(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], log=log, env=environment
    )
    try:
        wait_for_port(port, process=process, name="moto", log=log, timeout=60)
        yield Moto(f"http://127.0.0.1:{port}")
    finally:
        end(process)


async def test_a_mail_is_taken_as_it_is(moto: Moto, tmp_path: Path) -> None:
    provider = moto.provider(tmp_path)
    await provider.open()
    answer = await provider.send(job_for(Channel.EMAIL))
    await provider.close()
    assert isinstance(answer, Accepted)
    (taken,) = (mail for mail in moto.mails() if mail["id"] == answer.message_id)
    assert taken["source"] == "shop@example.com"
    assert "marked-address@example.org" in str(taken["destinations"])
    mail = parsed(taken["raw_data"].encode())
    assert (mail["Subject"], mail["From"]) == ("marked-body subject", "Shop <shop@example.com>")


async def test_another_secret_is_refused(moto: Moto, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("another-secret")
    provider = moto.provider(tmp_path, secret_access_key_file="other")
    await provider.open()
    answer = await provider.send(job_for(Channel.EMAIL))
    await provider.close()
    assert isinstance(answer, NotSent)
    assert answer.reason is Reason.CREDENTIALS_REFUSED


async def test_a_sender_that_is_not_verified_is_refused(moto: Moto, tmp_path: Path) -> None:
    provider = moto.provider(tmp_path)
    await provider.open()
    answer = await provider.send(job_for(Channel.EMAIL, sender=SenderIdentity(address="a@elsewhere.example")))
    await provider.close()
    # Of a raw mail moto says "Did not have authority to send", and SES "Email address is not verified": the error's name is the same.
    assert isinstance(answer, Rejected)
    assert answer.code == "MessageRejected"
