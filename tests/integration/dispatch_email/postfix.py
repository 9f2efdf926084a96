"""A Postfix of one's own: on a free port of the loopback, with its queue in a folder that is gone afterwards.

It takes mail for `<letters and hyphens>@example.org`, refuses every other recipient, and refuses a message that has a header `X-Refused`. What is for a
domain that ends with `.example` it passes on to `next_server`, once.
"""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from pwd import getpwnam

from sinks.certificate import make_certificate
from tocsin.dev.processes import free_port
from tocsin.testing.until import until

_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = /etc/postfix
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = server.example
mydestination =
alias_maps =
alias_database =
local_header_rewrite_clients =
message_size_limit = 2000000
header_checks = regexp:{folder}/refused
transport_maps = regexp:{folder}/transport
maximal_queue_lifetime = 0
smtp_tls_security_level = none
virtual_mailbox_domains = example.org
virtual_mailbox_maps = regexp:{folder}/boxes
virtual_mailbox_base = {folder}/mail
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
smtpd_tls_security_level = may
smtpd_tls_cert_file = {folder}/ca.pem
smtpd_tls_key_file = {folder}/key.pem
"""
# service type private unprivileged chroot wakeup processes command
_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
tlsmgr unix - - n 1000 1 tlsmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
error unix - - n - - error
smtp unix - - n - - smtp
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """One that runs."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.ca_file = folder / "ca.pem"
        self._box = folder / "mail" / "box"

    async def mails(self, count: int) -> list[bytes]:
        """What was received, once that is so many mails; as it was sent, but lines end in LF and headers of the server's own come first."""
        await until(lambda: len(self._received()) >= count)
        return self._received()

    def listens(self) -> bool:
        """Whether it does."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _received(self) -> list[bytes]:
        return [file.read_bytes() for file in self._box.glob("new/*")]


@asynccontextmanager
async def postfix(next_server: int | None = None) -> AsyncIterator[Postfix]:
    """Starts as root only: its parts change to the user `postfix` by themselves."""
    # Not in pytest's folder: that is root's alone, and the user `postfix` has to pass it.
    folder = Path(tempfile.mkdtemp(prefix="postfix-"))
    try:
        server = Postfix(folder, free_port())
        _configure(folder, server.port, next_server)
        process = await _postfix(folder, "start-fg")
        try:
            await until(server.listens)
            yield server
        finally:
            await (await _postfix(folder, "stop")).wait()
            await process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _postfix(folder: Path, command: str) -> asyncio.subprocess.Process:
    silent = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(
        "postfix", "-c", str(folder), command, stdout=silent, stderr=silent
    )


def _configure(folder: Path, port: int, next_server: int | None) -> None:
    folder.chmod(0o755)
    user = getpwnam("postfix")
    for name in ("data", "mail"):
        (folder / name).mkdir()
        shutil.chown(folder / name, user.pw_uid)
    (folder / "queue").mkdir()
    make_certificate(folder)
    (folder / "main.cf").write_text(_MAIN.format(folder=folder, uid=user.pw_uid, gid=user.pw_gid))
    (folder / "master.cf").write_text(_MASTER.format(port=port))
    (folder / "boxes").write_text("/^[a-z-]+@example\\.org$/ box/\n")
    (folder / "refused").write_text("/^X-Refused:/ REJECT\n")
    passed_on = "" if next_server is None else f"/\\.example$/ smtp:[127.0.0.1]:{next_server}\n"
    (folder / "transport").write_text(passed_on)
