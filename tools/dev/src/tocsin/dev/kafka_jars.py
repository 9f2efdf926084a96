"""Apache Kafka's jars: resolved once by Maven from a pinned pom.xml. The broker's stands beside this file."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tocsin.dev.errors import LocalStackError, MissingTool
from tocsin.dev.locks import locked
from tocsin.dev.paths import CACHE
from tocsin.dev.processes import attached

POM = Path(__file__).with_name("pom.xml")
OR_ELSE = "or name a running broker in KAFKA_BOOTSTRAP_SERVERS"


def java() -> str:
    """Path of the Java program; raises MissingTool with what to install."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if java is None:
        raise MissingTool(
            f"Apache Kafka needs Java 17 or newer: install it (Debian: apt install default-jre-headless), {OR_ELSE}."
        )
    return java


def jars(*, cache: Path = CACHE, pom: Path = POM) -> Path:
    """The folder that holds what `pom` names: the broker's jars. The first call downloads them (43 MB); later ones find them."""
    folder = cache / "kafka" / hashlib.sha256(pom.read_bytes()).hexdigest()[:16]
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent / ".lock"):
        if not folder.is_dir():
            _resolve(folder, pom)
    return folder


def _resolve(folder: Path, pom: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingTool(
            f"Apache Kafka's jars are fetched with Maven: install it (Debian: apt install maven), {OR_ELSE}."
        )
    # Maven writes beside the final folder; the rename makes a half-done download invisible.
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        shutil.copy(pom, Path(scratch) / POM.name)
        target = Path(scratch) / "jars"
        done = subprocess.run(
            attached([maven, "-B", "-q", "dependency:copy-dependencies", f"-DoutputDirectory={target}"]),
            cwd=scratch,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 or not target.is_dir():
            fault = re.search(
                r"\[ERROR\] (\S.*)", done.stdout
            )  # not at the line's beginning: colour codes come before
            reason = fault[1] if fault else done.stderr.strip() or "it said nothing"
            raise LocalStackError(f"Maven could not fetch Apache Kafka's jars: {reason}")
        target.rename(folder)
