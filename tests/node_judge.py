"""Judges from outside that run in Node.js: a folder with a script, package.json and its lock file."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tocsin.dev.npm_packages import installed


def told_by_node(pins: Path, script: str, asked: object) -> Any:
    """What the script of `pins` prints as JSON when it reads `asked` as JSON. Raises CalledProcessError where it fails."""
    ended = subprocess.run(
        ["node", script],
        cwd=installed(pins),
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(ended.stdout)
