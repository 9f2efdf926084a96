"""Where this machine fetches Debian's packages from, as its own apt says: no address of an archive stands in this repository."""

import re
import shutil
import subprocess
from typing import NamedTuple

from tocsin.dev.errors import MissingTool

_OPTIONS = re.compile(r"Acquire::(Check-[\w-]+|\w+::Proxy\b.*)=.")
"""What a machine may need to reach its archive at all: proxies, and whether dates are looked at."""


class Source(NamedTuple):
    """One line of a sources.list, which Debian's own keys vouch for."""

    url: str
    suite: str

    @property
    def line(self) -> str:
        """As a sources.list has it."""
        return f"deb {self.url} {self.suite} main\n"


def archive_of(suite: str) -> list[Source]:
    """The suite itself first, then its updates and security updates. Raises MissingTool where this machine has no source for it."""
    if shutil.which("apt-get") is None:
        raise MissingTool("apt-get is missing: the images' base is made of Debian's packages.")
    shown = ("--no-release-info", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
    sources = sources_in(_printed("apt-get", "indextargets", *shown), suite)
    if not sources or sources[0].suite != suite:
        raise MissingTool(
            f"No source of this machine's apt has Debian {suite}, of which the images' base is made."
        )
    return sources


def sources_in(listed: str, suite: str) -> list[Source]:
    """Of lines `address suite component`, one for each architecture: those of a suite, its updates and its security updates."""
    suites = (suite, f"{suite}-updates", f"{suite}-security")
    words = [line.split() for line in listed.splitlines()]
    sources = {Source(url, name) for url, name, component in words if name in suites and component == "main"}
    return sorted(sources, key=lambda source: suites.index(source.suite))


def fetching() -> list[str]:
    """This machine's own options of apt for reaching an archive, as words for another apt-get."""
    dumped = _printed("apt-config", "dump", "--no-empty", "--format", "%f=%v%n", "Acquire")
    return [word for line in dumped.splitlines() if _OPTIONS.match(line) for word in ("-o", line)]


def _printed(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
