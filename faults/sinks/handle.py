"""The far ends as a scenario sees them: a process, what it does from now on, and the files it writes."""

import subprocess
from pathlib import Path
from typing import Self

import msgspec

from child import start
from control import Control
from sinks.behaviour import Behaviour
from sinks.far_end import Rule
from sinks.requests import Behave, Count, Counts, Ports, Restart
from tocsin.catcher.service_account import write_account
from tocsin.dev.processes import end

_ACCOUNT = "AC" + "0" * 32


class Sinks:
    """Use it as a context: the process ends with it. Each name has far ends of its own for every channel."""

    def __init__(self, folder: Path, *, names: tuple[str, ...] = ("main",)) -> None:
        self.folder = folder
        self.names = names
        self.accepted = folder / "accepted.jsonl"
        self.calls = folder / "calls.jsonl"
        self.ports: dict[str, dict[str, int]] = {}
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process, said = await start("sinks.serve", *self.names, folder=self.folder)
        ports = msgspec.json.decode(said, type=Ports)
        self.ports = ports.ends
        self._control = Control(ports.control)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._control.close()
        if self._process is not None:
            end(self._process)

    async def behave(
        self,
        behaviour: Behaviour,
        *,
        channel: str | None = None,
        name: str | None = None,
        tenant: str | None = None,
        recipient: str | None = None,
    ) -> None:
        """From now on: everywhere, or at these far ends, or with these messages alone.

        Without tenant and recipient it replaces what was said before. Up to RCPT a mail's recipient is an address, and
        its tenant unknown.
        """
        rule = Rule(behaviour=behaviour, tenant=tenant, recipient=recipient)
        await self._control.ask(Behave(rule=rule, end=name, channel=channel))

    async def restart(self, seconds: float, *, channel: str | None = None, name: str | None = None) -> None:
        """Their servers are away for so long, with all connections; returns when they have begun to be."""
        await self._control.ask(Restart(seconds=seconds, end=name, channel=channel))

    async def count(self) -> Counts:
        """How much was written down."""
        return msgspec.json.decode(await self._control.ask(Count()), type=Counts)

    def write_providers(
        self,
        folder: Path,
        *,
        ports: dict[str, dict[str, int]] | None = None,
        tls: bool = False,
        max_in_flight: int = 20,
        **settings: float,
    ) -> None:
        """Writes `<channel>.toml` for each channel, with an instance for each name, and for mail another one, `<name>-sendgrid`, that is used by
        those who name it.

        `ports` are used instead of our own where a proxy stands between; `tls`: mail over TLS; `settings` go into every
        instance, such as `call_timeout`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "token").write_text("token")
        (folder / "sendgrid-key").write_text("SG.key")
        texts = {"email": "", "sms": "", "push": ""}
        for name, own in (ports or self.ports).items():
            for channel, instance in self._instances(folder, name, own, tls=tls).items():
                lines = (
                    f"{key} = {msgspec.json.encode(value).decode()}"
                    for key, value in (instance | {"max_in_flight": max_in_flight} | settings).items()
                )
                texts[channel] += "\n".join(("[[providers]]", *lines, "", ""))
            texts["email"] += self._sendgrid(name, self.ports[name]["sendgrid"], max_in_flight)
        for channel, text in texts.items():
            (folder / f"{channel}.toml").write_text(text)

    def _sendgrid(self, name: str, port: int, max_in_flight: int) -> str:
        return (
            f'[[providers]]\nname = "{name}-sendgrid"\nkind = "sendgrid"\napi_key_file = "sendgrid-key"\n'
            f'base_url = "http://127.0.0.1:{port}"\nmax_in_flight = {max_in_flight}\n\n'
        )

    def _instances(
        self, folder: Path, name: str, ports: dict[str, int], *, tls: bool
    ) -> dict[str, dict[str, str | int | float]]:
        push = f"http://127.0.0.1:{ports['push']}"
        account = folder / f"account-{name}.json"
        write_account(account, project="proving-ground", token_uri=f"{push}/token")
        mail: dict[str, str | int | float] = {"kind": "smtp", "host": "127.0.0.1", "helo": "localhost"}
        if tls:
            mail |= {"port": ports["email_tls"], "tls": "implicit", "ca_file": str(self.folder / "ca.pem")}
        else:
            mail |= {"port": ports["email"], "tls": "none"}
        sms = {
            "kind": "twilio",
            "account_sid": _ACCOUNT,
            "auth_token_file": "token",
            "sender": "+4915100000000",
        }
        return {
            "email": {"name": name, **mail},
            "sms": {"name": name, **sms, "base_url": f"http://127.0.0.1:{ports['sms']}"},
            "push": {"name": name, "kind": "fcm", "base_url": push, "service_account_file": str(account)},
        }
