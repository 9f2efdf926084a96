"""A service's image at work: on a real Kafka and a real PostgreSQL, confined as in a cluster; asked how it is, tried, and ended."""

import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tocsin.dev.errors import StartFailed
from tocsin.dev.image.confined import PROVIDERS, confined
from tocsin.dev.image.confinement import faults_of_confinement
from tocsin.dev.image.errors import ImageFault
from tocsin.dev.image.images import Image
from tocsin.dev.installation import topics_apply
from tocsin.dev.processes import attached, end, spawn
from tocsin.dev.providers import FCM_PROJECT, write_providers
from tocsin.dev.services import LocalService, StackSettings, services

READY_WITHIN = 180.0
ENDS_WITHIN = 60.0
"""Seconds; what Kubernetes gives a Pod with our manifests."""
NOWHERE = "http://127.0.0.1:1"
COMMANDS: Mapping[str, Sequence[Sequence[str]]] = {
    "router": (("tocsin", *topics_apply()[1:]), ("service", "migrate")),
    "ledger": (("service", "migrate"),),
    "scheduler": (("service", "migrate"),),
}
"""What the manifests' Jobs run in an image before its service can start."""


def local_services(*, kafka: str, database: str) -> Mapping[str, LocalService]:
    """Each service with the settings of the local stack."""
    stack = StackSettings(
        kafka=kafka,
        database=database,
        entry=NOWHERE,
        providers=Path(PROVIDERS),
        unsubscribe_secret=secrets.token_urlsafe(32),
        hash_secret=secrets.token_urlsafe(32),
        seal_secret=secrets.token_urlsafe(32),
    )
    return {service.name: service for service in services(stack)}


def make_providers(folder: Path) -> None:
    """The dispatchers' files. What they name is not there: a dispatcher is ready without its providers."""
    write_providers(folder, catcher=NOWHERE, smtp_port=1, fcm_account=Path("account.json"))
    account = f"--out={folder / 'account.json'}", f"--token-uri={NOWHERE}/token", f"--project={FCM_PROJECT}"
    command = [sys.executable, "-m", "tocsin.catcher", "fcm-account", *account]
    subprocess.run(command, check=True, capture_output=True)
    for file in folder.iterdir():
        file.chmod(0o444)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """An image in the container at `root`, with the settings of `service`; what it prints goes to `log`."""

    image: Image
    root: Path
    providers: Path
    service: LocalService
    log: Path
    say: Callable[[str], None]

    def prepare(self) -> None:
        """Topics and tables, made by the image's own commands."""
        for words in COMMANDS.get(self.image.service, ()):
            ended = subprocess.run(
                attached(self._confined(words)), stdin=subprocess.DEVNULL, capture_output=True, text=True, env=self._env, check=False
            )  # fmt: skip
            with self.log.open("a") as log:
                log.write(ended.stdout + ended.stderr)
            if ended.returncode != 0:
                raise ImageFault(
                    f"`{' '.join(words)}` ended with exit code {ended.returncode}; see {self.log}"
                )

    def run(self) -> None:
        """Starts the service, looks at it, ends it. Raises ImageFault with what is not as it should be."""
        process = spawn(self._confined(self.image.entrypoint), env=self._env, log=self.log)
        try:
            began = time.monotonic()
            self._wait_ready(process)
            self.say(f"      ready after {time.monotonic() - began:.1f} s")
            (main,) = psutil.Process(process.pid).children()
            if faults := [*faults_of_confinement(main.pid, self.image), *self._faults_of_metrics()]:
                raise ImageFault("\n".join(faults))
            self.say(
                f"      user {self.image.user} without capabilities, on a read-only root folder; names its commit"
            )
            main.send_signal(signal.SIGTERM)
            code = process.wait(ENDS_WITHIN)
            if code != 0:
                raise ImageFault(
                    f"{self.service.name} ends with exit code {code} after SIGTERM; see {self.log}"
                )
            self.say("      exit code 0 after SIGTERM")
        except subprocess.TimeoutExpired:
            late = f"{self.service.name} has not ended {ENDS_WITHIN:.0f} s after SIGTERM; see {self.log}"
            raise ImageFault(late) from None
        finally:
            end(process, first=signal.SIGKILL)

    def _confined(self, words: Sequence[str]) -> list[str]:
        return confined(self.image, self.root, providers=self.providers, words=words)

    @property
    def _env(self) -> dict[str, str]:
        return {**self.image.env, **self.service.env}

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline, answer = time.monotonic() + READY_WITHIN, "nothing"
        while True:
            try:
                urllib.request.urlopen(f"{self.service.operations}/readyz", timeout=5).close()  # noqa: S310 -- our own address
            except urllib.error.HTTPError as refused:
                answer = refused.read().decode(errors="replace")[:500]
            except OSError:
                answer = "nothing"
            else:
                return
            if process.poll() is not None:
                raise StartFailed(
                    f"{self.service.name} ended with exit code {process.returncode}; see {self.log}"
                )
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"{self.service.name} is not ready after {READY_WITHIN:.0f} s; it answers: {answer}; see {self.log}"
                )
            time.sleep(0.2)

    def _faults_of_metrics(self) -> list[str]:
        with urllib.request.urlopen(f"{self.service.operations}/metrics", timeout=30) as answer:  # noqa: S310 -- the same
            lines = answer.read().decode().splitlines()
        infos = [line for line in lines if line.startswith("tocsin_build_info{")]
        if len(infos) == 1 and f'commit="{self.image.commit}"' in infos[0]:
            return []
        return [f"tocsin_build_info does not name the commit {self.image.commit}: {infos}"]
