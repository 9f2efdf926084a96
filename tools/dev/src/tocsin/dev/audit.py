"""`python -m tocsin.dev.audit`: whether a vulnerability is known of anything that is pinned.

| exit code | what it means |
|---|---|
| 0 | every pinned distribution was looked up, and none is known to be vulnerable |
| 1 | at least one is known to be vulnerable; each is named with the versions that mend it |
| 3 | at least one could not be looked up, because no database answered for it: nothing is known of those |
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from tocsin.dev.requirement_files import pinned

FILES: Final = ("dev", "uv", "hatchling")
"""`dev` holds everything that any service or tool pins; the others are what the environment is made with."""
DATABASES: Final = ("pypi", "osv")
"""Asked in this order; the second only when the first did not answer for all."""

Ask = Callable[[str, Path], Any]
"""`(database, requirement file)` → pip-audit's report, or None when there is none."""


class Verdict(NamedTuple):
    """How an audit ended."""

    exit_code: int
    lines: list[str]


def audit(files: Iterable[Path], ask: Ask) -> Verdict:
    """Look everything up that the files pin. What no database answers for counts as not looked up."""
    wanted = {(entry.name.lower(), entry.version) for path in files for entry in pinned(path)}
    answered: dict[tuple[str, str], list[Any]] = {}
    for database in DATABASES:
        if wanted <= answered.keys():
            break
        for path in files:
            for entry in (ask(database, path) or {}).get("dependencies", []):
                if "vulns" in entry:
                    answered[entry["name"].lower(), entry["version"]] = entry["vulns"]
    vulnerable = {name: faults for name, faults in answered.items() if faults}
    lines = [
        f"{name} {version}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'no version yet'}"
        for (name, version), faults in sorted(vulnerable.items())
        for fault in faults
    ]
    unknown = wanted - answered.keys()
    if unknown:
        lines.append(
            f"NOT AUDITED: {len(unknown)} of {len(wanted)} pinned distributions; no vulnerability database answered for them "
            f"({' and '.join(DATABASES)} were asked). Run `make audit` where one can be reached."
        )
    if not lines:
        lines.append(f"{len(wanted)} pinned distributions, none with a known vulnerability.")
    return Verdict(1 if vulnerable else 3 if unknown else 0, lines)


def pip_audit(database: str, path: Path) -> Any:
    """The report of pip-audit, which ends with 0 also when it could look nothing up."""
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--disable-pip",
        "--require-hashes",
        "--requirement",
        str(path),
    ]
    command += ["--vulnerability-service", database, "--format", "json", "--progress-spinner", "off"]
    ended = subprocess.run([*command, "--timeout", "15"], capture_output=True, text=True, check=False)
    try:
        return json.loads(ended.stdout)
    except ValueError:
        return None


def main() -> int:
    """Print the verdict; the exit code."""
    verdict = audit([Path("requirements") / f"{name}.txt" for name in FILES], pip_audit)
    for line in verdict.lines:
        sys.stderr.write(f"{line}\n")
    return verdict.exit_code


if __name__ == "__main__":
    sys.exit(main())
