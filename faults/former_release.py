"""The release before this one, run from its sources with the packages that are installed here."""

import subprocess
from pathlib import Path

from tocsin.dev.errors import StartFailed
from tocsin.dev.paths import PROJECT

_CONTRACTS = "docs/contracts"


def former_release() -> str:
    """The newest tag before this commit; where there is none, the commit before what stands in records changed for the last time."""
    try:
        return _git("describe", "--tags", "--abbrev=0", "HEAD^")
    except StartFailed:
        changed = _git("log", "-1", "--first-parent", "--format=%H", "HEAD", "--", _CONTRACTS)
        return _git("rev-parse", "--short", f"{changed}^")


def unpack(commit: str, folder: Path) -> str:
    """Its sources, and the PYTHONPATH with which they are found before our own."""
    folder.mkdir(parents=True)
    archive = folder / "sources.tar"
    _git("archive", f"--output={archive}", commit)
    subprocess.run(["tar", "-x", "-f", str(archive), "-C", str(folder)], check=True)
    return ":".join(str(source) for source in sorted(folder.glob("*/**/src")) if (source / "tocsin").is_dir())


def _git(*words: str) -> str:
    """What a command prints. Raises StartFailed: a copy without history has no former release."""
    done = subprocess.run(["git", *words], cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode != 0 or (not done.stdout.strip() and words[0] != "archive"):
        raise StartFailed(
            f"The former release cannot be found: git {' '.join(words)}: {done.stderr.strip()}. In a shallow clone run `git fetch --unshallow` first."
        )
    return done.stdout.strip()
