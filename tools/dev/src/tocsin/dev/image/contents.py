"""What must not be in an image: rights, files, tools and secrets that no service needs."""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

OWN_FOLDERS = {"/var/lib/tocsin", "/tmp/tocsin"}  # noqa: S108 -- a volume is mounted there
"""All that belongs to the services' user."""
INSTALLERS = {"pip", "setuptools", "wheel"}
PACKAGES = {"site-packages", "dist-packages"}
SECRET_NAMES = {
    ".env",
    ".git",
    ".git-credentials",
    ".netrc",
    ".npmrc",
    ".pypirc",
    "id_ed25519",
    "id_rsa",
    "pip.conf",
}
SECRET_VARIABLES = re.compile(r"SECRET|PASSWORD|TOKEN|API_?KEY|PRIVATE", re.IGNORECASE)
PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\r?\n[A-Za-z0-9+/=]{20}")
LARGEST_KEY_FILE = 64 * 1024
"""Bytes; a larger file is not searched for private keys."""


def faults(root: Path, *, uid: int, env: Mapping[str, str]) -> list[str]:
    """A sentence for each; `uid` is the services' user, `env` the image's environment."""
    sentences = [
        f"The environment has {name}, which looks like a secret."
        for name in env
        if SECRET_VARIABLES.search(name)
    ]
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(folder) / name
            inside = PurePosixPath("/") / path.relative_to(root)
            status = path.lstat()
            sentences += _of_rights(inside, status, uid=uid)
            sentences += _of_content(inside, path, status)
    return sorted(sentences)


def _of_rights(inside: PurePosixPath, status: os.stat_result, *, uid: int) -> Iterator[str]:
    mode = status.st_mode
    if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
        yield f"{inside} makes whoever runs it another user or group."
    sticky_folder = stat.S_ISDIR(mode) and mode & stat.S_ISVTX
    if mode & stat.S_IWOTH and (stat.S_ISREG(mode) or (stat.S_ISDIR(mode) and not sticky_folder)):
        yield f"Anybody may write to {inside}."
    if status.st_uid == uid and str(inside) not in OWN_FOLDERS:
        yield f"{inside} belongs to the user that the service runs as."


def _of_content(inside: PurePosixPath, path: Path, status: os.stat_result) -> Iterator[str]:
    if inside.name in INSTALLERS and inside.parent.name in PACKAGES:
        yield f"{inside} can install packages."
    if inside.name in SECRET_NAMES:
        yield f"{inside} has the name of a file with secrets."
    is_small = stat.S_ISREG(status.st_mode) and status.st_size <= LARGEST_KEY_FILE
    if is_small and PRIVATE_KEY.search(path.read_bytes()):
        yield f"{inside} holds a private key."
