"""Whether a running service is confined as it should be: as the kernel tells it, and as tries to write show."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tocsin.dev.image.confined import PROVIDERS, writable_folders
from tocsin.dev.image.images import Image

READ_ONLY = ("/", "/etc", "/usr/bin", "/opt/tocsin", "/var/lib/tocsin", "/tmp", "/dev", PROVIDERS)  # noqa: S108 -- nobody may write there
"""/var/lib/tocsin belongs to the service's user, so it is the mount alone that keeps it; root may write to any that is not read-only."""
_WRITING = Path(__file__).with_name("writing.py")


def faults_of_confinement(pid: int, image: Image) -> list[str]:
    """A sentence for each fault of the process `pid`, which runs the image."""
    return [*_of_account(pid, image), *_of_writing(pid, image)]


def _of_account(pid: int, image: Image) -> list[str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    uid, gid = image.user.split(":")
    wanted = {"Uid": [uid] * 4, "Gid": [gid] * 4, "Groups": [], "NoNewPrivs": ["1"]}
    wanted |= {name: ["0" * 16] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")}
    faults = [
        f"{name} is {status[name]}, not {value}." for name, value in wanted.items() if status[name] != value
    ]
    return [*faults, *(["The image's user is root."] if uid == "0" else [])]


def _of_writing(pid: int, image: Image) -> list[str]:
    """Tries of root, whom only a read-only mount keeps off, and of the service's user, within the mounts of the running service."""
    wanted = dict.fromkeys(READ_ONLY, "EROFS")
    outcomes = _outcomes(pid, READ_ONLY, user="0:0", env=image.env)
    faults = [
        f"When root writes to {path}, the outcome is {outcomes[path]}."
        for path in wanted
        if outcomes[path] != wanted[path]
    ]
    own = {"/var/lib/tocsin": "EROFS", **dict.fromkeys(writable_folders(image.service), "written")}
    outcomes = _outcomes(pid, tuple(own), user=image.user, env=image.env)
    return faults + [
        f"When the service writes to {path}, the outcome is {outcomes[path]}."
        for path in own
        if outcomes[path] != own[path]
    ]


def _outcomes(pid: int, folders: Sequence[str], *, user: str, env: Mapping[str, str]) -> dict[str, str]:
    uid, gid = user.split(":")
    enter = [
        "nsenter",
        f"--target={pid}",
        "--mount",
        "--root",
        "--wd",
        f"--setuid={uid}",
        f"--setgid={gid}",
        "--",
    ]
    command = [*enter, "python", "-I", "-c", _WRITING.read_text(), *folders]
    ended = subprocess.run(command, capture_output=True, text=True, env=dict(env), check=True)
    outcomes: dict[str, str] = json.loads(ended.stdout)
    return outcomes
