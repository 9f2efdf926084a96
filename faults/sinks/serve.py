"""The far ends' process: `python -m sinks.serve FOLDER NAME...` in `faults/`; it runs until it is ended.

Each NAME gets a mail server, the same over TLS, a Twilio, an FCM and a SendGrid, on free ports. When all listen, FOLDER/ports.json says
where: `{"control": …, "ends": {NAME: {"email": …, "email_tls": …, "sms": …, "push": …, "sendgrid": …}}}`. FOLDER/ca.pem is the
certificate to trust. The SendGrid of NAME is the far end called `NAME-sendgrid` of the channel email, so that each can be in trouble alone.
"""

import asyncio
import ssl
import sys
from functools import partial
from pathlib import Path

import msgspec
import uvloop

from control import Refused, serve_control, write_ports
from sinks.behaviour import Kind
from sinks.certificate import make_certificate
from sinks.far_end import FarEnd, Session
from sinks.http_end import HttpEnd
from sinks.journal import Journal
from sinks.requests import Behave, Count, Counts, Ports, Restart
from sinks.smtp import SmtpSession

SENDGRID = "-sendgrid"
_read = msgspec.json.Decoder(Behave | Restart | Count).decode


class FarEnds:
    """All far ends of this process, by name and kind of port."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self._journal = Journal(folder)
        tls = make_certificate(folder)
        tls.sni_callback = self._handshake
        self.ends = {
            name: {
                "email": self._end(name, "email"),
                "email_tls": self._end(name, "email", tls),
                "sms": self._end(name, "sms"),
                "push": self._end(name, "push"),
                "sendgrid": self._end(f"{name}{SENDGRID}", "email"),
            }
            for name in names
        }
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Open every port."""
        for ports in self.ends.values():
            for kind, end in ports.items():
                await end.listen(_session(end, kind))

    async def answer(self, line: bytes) -> object:
        """What was asked over the control port."""
        match _read(line):
            case Behave(rule=rule, end=name, channel=channel):
                for end in self._chosen(name, channel):
                    end.behave(rule)
            case Restart(seconds=seconds, end=name, channel=channel):
                for end in self._chosen(name, channel):
                    task = asyncio.create_task(end.restart(seconds))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
            case Count():
                everywhere = [end for ports in self.ends.values() for end in ports.values()]
                connections = sum(len(end.sessions) for end in everywhere)
                return Counts(accepted=self._journal.accepted, calls=self._journal.calls, open=connections)
        return None

    def _end(self, name: str, channel: str, tls: ssl.SSLContext | None = None) -> FarEnd:
        return FarEnd(name=name, channel=channel, journal=self._journal, tls=tls)

    def _chosen(self, name: str | None, channel: str | None) -> list[FarEnd]:
        chosen = [
            end
            for ports in self.ends.values()
            for end in ports.values()
            if name in {None, end.name} and channel in {None, end.channel}
        ]
        if not chosen:
            raise Refused(f"no far end is called {name!r} with channel {channel!r}")
        return chosen

    def _handshake(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> int | None:  # noqa: ARG002
        """Fails while any mail server with TLS is told so: a client that knows no name cannot say which one it means."""
        failing = any(ports["email_tls"].behaviour.kind is Kind.TLS_FAILURE for ports in self.ends.values())
        return ssl.AlertDescription.ALERT_DESCRIPTION_HANDSHAKE_FAILURE if failing else None


def _session(end: FarEnd, kind: str) -> Session:
    return partial(SmtpSession, end) if kind in {"email", "email_tls"} else HttpEnd(end, kind).session


async def serve(folder: Path, names: list[str]) -> None:
    """All ports, until cancelled."""
    far_ends = FarEnds(folder, names)
    await far_ends.listen()
    control = await serve_control(far_ends.answer)
    ports = {name: {kind: end.port for kind, end in kinds.items()} for name, kinds in far_ends.ends.items()}
    write_ports(folder, Ports(control.sockets[0].getsockname()[1], ports))
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), sys.argv[2:]))
