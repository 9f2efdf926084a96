"""The files of `components/inbox` that pages load, made of its sources by esbuild: `python -m tocsin.dev.inbox_component`."""

import subprocess
from pathlib import Path
from typing import Final

from tocsin.dev.npm_packages import installed
from tocsin.dev.paths import PROJECT

COMPONENT: Final = PROJECT / "components" / "inbox"
MADE_OF: Final = {"tocsin-inbox.js": "element.js", "tocsin-inbox-push.js": "push.js"}


def made(source: Path) -> str:
    """One file of this module and all that it imports."""
    folder = installed(COMPONENT / "bundling")
    line = ["node", "build.mjs", str(source)]
    return subprocess.run(line, cwd=folder, check=True, timeout=120, capture_output=True, text=True).stdout


def main() -> None:
    """Write them."""
    for name, source in MADE_OF.items():
        (COMPONENT / name).write_text(made(COMPONENT / "src" / source))


if __name__ == "__main__":
    main()
