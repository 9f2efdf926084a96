"""Apache Kafka's jars: resolved once by Maven from a pinned pom.xml. The broker's stands beside this file."""

import os
import shutil
from pathlib import Path

from tocsin.dev.errors import MissingTool
from tocsin.dev.maven_jars import maven_jars
from tocsin.dev.paths import CACHE

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
    return maven_jars(pom, folder=cache / "kafka", of="Apache Kafka", or_else=OR_ELSE)
