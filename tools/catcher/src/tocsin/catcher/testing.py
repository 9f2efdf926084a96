"""A catcher in a process of its own, as a person starts it: for tests that send to one."""

import contextlib
import json
import os
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx

TWILIO_ACCOUNT = "AC" + "1" * 32
TWILIO_TOKEN = "twilio-token"  # noqa: S105 the catcher on loopback, not a secret
AWS_KEY_ID, AWS_SECRET = "AKIDCATCHER12345", "aws-secret"
SENDGRID_KEY = "SG.sendgrid-key"
MAILGUN_DOMAIN, MAILGUN_KEY = "mail.acme.example", "mailgun-key"
POSTMARK_TOKEN = "postmark-token"  # noqa: S105 the same
_START_SECONDS = 30.0


@dataclass(frozen=True)
class RunningCatcher:
    """Where it listens, and the ways in. `account_file` and `key_file` do not exist until a test writes them."""

    url: str
    smtp_port: int
    apns_url: str
    account_file: Path
    key_file: Path
    process: subprocess.Popen[bytes]

    def messages(self, **query: str) -> list[dict[str, Any]]:
        """What `GET /api/messages` answers."""
        answer = httpx.get(f"{self.url}/api/messages", params=query).raise_for_status().json()
        assert isinstance(answer, list)  # noqa: S101 for mypy; the endpoint answers a list
        return answer

    def message(self, identity: str) -> dict[str, Any]:
        """One message, with `plays`."""
        answer = httpx.get(f"{self.url}/api/messages/{identity}").raise_for_status().json()
        assert isinstance(answer, dict)  # noqa: S101 for mypy; the endpoint answers an object
        return answer

    def play(self, identity: str, name: str) -> httpx.Response:
        """Plays a receipt of this message; the answer may be a refusal."""
        return httpx.put(f"{self.url}/api/messages/{identity}/receipts/{name}")

    def clear(self) -> None:
        """Forget everything caught."""
        httpx.delete(f"{self.url}/api/messages").raise_for_status()

    def mail(self, mail: EmailMessage, *, to: list[str] | None = None) -> None:
        """Sends it over SMTP. Raises smtplib.SMTPException when refused."""
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=30) as smtp:
            smtp.send_message(mail, to_addrs=to)

    def raw_mail(self, source: bytes, *, to: str = "ada@example.com") -> None:
        """Sends these bytes over SMTP as they are. Raises smtplib.SMTPException when refused."""
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=30) as smtp:
            smtp.sendmail("shop@acme.example", [to], source)

    def sms(
        self,
        form: Mapping[str, str],
        *,
        auth: tuple[str, str] | None = (TWILIO_ACCOUNT, TWILIO_TOKEN),
        account: str = TWILIO_ACCOUNT,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Posts a form to the Twilio endpoint; the answer may be a refusal."""
        path = f"{self.url}/2010-04-01/Accounts/{account}/Messages.json"
        return httpx.post(path, data=form, auth=auth, headers=headers)


@contextlib.contextmanager
def running_catcher(folder: Path, **settings: str) -> Iterator[RunningCatcher]:
    """Started on free ports, ended at the end. `settings` are further `CATCHER_…` variables."""
    ports, account, key = folder / "ports.json", folder / "account.json", folder / "key.p8"
    environment = {
        "CATCHER_PORTS_FILE": str(ports),
        "CATCHER_AWS_ACCESS_KEY_ID": AWS_KEY_ID,
        "CATCHER_AWS_SECRET_ACCESS_KEY": AWS_SECRET,
        "CATCHER_SENDGRID_API_KEY": SENDGRID_KEY,
        "CATCHER_MAILGUN_DOMAIN": MAILGUN_DOMAIN,
        "CATCHER_MAILGUN_API_KEY": MAILGUN_KEY,
        "CATCHER_POSTMARK_SERVER_TOKEN": POSTMARK_TOKEN,
        "CATCHER_TWILIO_ACCOUNT_SID": TWILIO_ACCOUNT,
        "CATCHER_TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
        "CATCHER_FCM_ACCOUNT_FILE": str(account),
        "CATCHER_APNS_KEY_FILE": str(key),
        **settings,
    }
    process = subprocess.Popen([sys.executable, "-m", "tocsin.catcher"], env={**os.environ, **environment})
    try:
        taken = _ports(ports, process)
        http, apns = (f"http://127.0.0.1:{taken[name]}" for name in ("http", "apns"))
        yield RunningCatcher(http, taken["smtp"], apns, account, key, process)
    finally:
        process.terminate()
        process.wait(10)


def _ports(file: Path, process: subprocess.Popen[bytes]) -> dict[str, int]:
    deadline = time.monotonic() + _START_SECONDS
    while not file.exists():
        if process.poll() is not None:
            raise RuntimeError(f"The catcher ended with code {process.returncode} before it listened.")
        if time.monotonic() > deadline:
            raise RuntimeError(f"The catcher did not listen within {_START_SECONDS:.0f} s.")
        time.sleep(0.02)
    ports = json.loads(file.read_text(encoding="utf-8"))
    return {name: int(port) for name, port in ports.items()}
