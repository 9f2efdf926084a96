"""A real rsyslog on this machine, with the configuration that is shipped; and the files of Pods, as a node has them."""

import os
import shutil
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen

from tocsin.dev.debian_programs import unpacked
from tocsin.dev.paths import PROJECT
from tocsin.dev.processes import end, spawn

SHIPPED = PROJECT / "deploy" / "observability" / "logs"
PACKAGES = ("rsyslog", "rsyslog-elasticsearch", "libestr0", "libfastjson4", "liblognorm5")
"""Debian's: unpacked, so no second rsyslog runs on the machine."""
NAMESPACE = "tocsin-prod"


class Pod:
    """One container's log file, written as a container runtime writes it."""

    def __init__(self, folder: Path, name: str, container: str, *, namespace: str = NAMESPACE) -> None:
        self.name, self.container = name, container
        self._file = folder / f"{namespace}_{name}_{uuid.uuid4()}" / container / "0.log"
        self._file.parent.mkdir(parents=True)
        self._last = 0

    def say(self, *lines: str, day: str | None = None, part: str = "F") -> None:
        """Each at a moment of its own, which may lie on another day."""
        with self._file.open("a") as file:
            for line in lines:
                moment = self._moment()
                file.write(f"{day + moment[10:] if day else moment} stderr {part} {line}\n")

    def rotate(self) -> None:
        """As the kubelet does it: the file gets another name, and a new one has the old name."""
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
        self._file.rename(self._file.with_name(f"0.log.{stamp}"))
        self._file.touch()

    def _moment(self) -> str:
        self._last = max(self._last + 1, time.time_ns())
        seconds, nanoseconds = divmod(self._last, 1_000_000_000)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


class Shipper:
    """rsyslog, which sends what Pods say in the folder `pods` to the engine at `url`. `spool` has what it could not send."""

    def __init__(self, folder: Path, *, url: str) -> None:
        self.pods, self.spool, self.log = folder / "pods", folder / "spool", folder / "rsyslog.log"
        self._positions = folder / "positions"
        for place in (self.pods, self.spool):
            place.mkdir(parents=True)
        self._programs = [unpacked(package, needed="rsyslogd") for package in PACKAGES]
        self._configuration = folder / "rsyslog.conf"
        self._configuration.write_text(f'global(workDirectory="{self.spool}")\n' + self._placed(url))
        self._process: Popen[bytes] | None = None

    def start(self) -> None:
        """Returns at once. As systemd does it, with the folder that tocsin.service.conf names."""
        shutil.rmtree(self._positions, ignore_errors=True)
        self._positions.mkdir()
        libraries = [place for root in self._programs for place in root.glob("usr/lib/*-linux-gnu")]
        modules = [place / "rsyslog" for place in libraries if (place / "rsyslog").is_dir()]
        (program,) = (root / "usr/sbin/rsyslogd" for root in self._programs[:1])
        command = [str(program), "-n", "-iNONE", "-f", str(self._configuration), "-M", _joined(modules)]
        self._process = spawn(
            command, log=self.log, env={**os.environ, "LD_LIBRARY_PATH": _joined(libraries)}
        )

    def stop(self) -> None:
        """In good order."""
        if self._process is not None:
            end(self._process, timeout=60)

    def kill(self) -> None:
        """As a node that loses power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _placed(self, url: str) -> str:
        """The shipped configuration with the places of a test."""
        text = (SHIPPED / "tocsin.conf").read_text()
        places = {
            "/var/log/pods/": f"{self.pods}/",
            "/var/spool/rsyslog/": f"{self.spool}/",
            "/run/tocsin-logs": str(self._positions),
            "http://127.0.0.1:9200": url,
        }
        for shipped, own in places.items():
            assert shipped in text, f"{shipped} stands no longer in tocsin.conf"
            text = text.replace(shipped, own)
        return text


def _joined(places: list[Path]) -> str:
    return ":".join(map(str, places))
