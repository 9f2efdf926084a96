"""Apache Kafka's MirrorMaker 2 between two local clusters."""

import signal
import subprocess
from pathlib import Path

from tocsin.dev.kafka_jars import jars, java
from tocsin.dev.kafka_settings import LOG4J
from tocsin.dev.processes import end, spawn

_MIRROR = Path(__file__).with_name("mirror")
_MAIN = "org.apache.kafka.connect.mirror.MirrorMaker"


class MirrorMaker:
    """Its files lie in `folder`. It ends with this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Fetches its jars (36 MB) the first time. May run in any thread."""
        java()
        jars(pom=_MIRROR / "pom.xml")

    def launch(self, *, first: str, second: str) -> None:
        """From the cluster at the one address to that at the other. Call it from the main thread, after `prepare()`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "log4j2.properties").write_text(LOG4J)
        settings = self._folder / "mirror.properties"
        addresses = f"first.bootstrap.servers = {first}\nsecond.bootstrap.servers = {second}\n"
        settings.write_text((_MIRROR / "mirror.properties").read_text() + addresses)
        logging = f"-Dlog4j2.configurationFile={(self._folder / 'log4j2.properties').as_uri()}"
        options = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", logging]
        command = [java(), *options, "-cp", f"{jars(pom=_MIRROR / 'pom.xml')}/*", _MAIN, str(settings)]
        self._process = spawn(command, log=self._folder / "mirror.log", cwd=self._folder)

    def freeze(self) -> None:
        """From now on it falls behind."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """It dies with what it has not written yet."""
        if self._process is not None:
            end(self._process, first=signal.SIGKILL)
