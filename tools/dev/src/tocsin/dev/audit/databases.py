"""Who is asked what is known of a pin. One that does not answer, or not for all, says nothing of the rest."""

import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from packaging.utils import canonicalize_name

from tocsin.dev.audit.pins import NPM, Pin, npm_pins

TIMEOUT: Final = 15
"""Seconds."""
OSV: Final = "https://api.osv.dev/v1/querybatch"
AT_ONCE: Final = 500


class Fault(NamedTuple):
    """One known vulnerability. `names` are all ids that it goes by, the usual one first."""

    names: tuple[str, ...]
    mended_in: tuple[str, ...] = ()


Answers = Mapping[Pin, Sequence[Fault]]


class Database(NamedTuple):
    """`ask` tells of each pin that it can tell of; of what a pin that is absent in its answer is, nothing is known."""

    name: str
    ask: Callable[[Collection[Pin]], Answers]


def pip_audit(pins: Collection[Pin]) -> Answers:
    """The index of Python distributions, asked by pip-audit, which ends with 0 also when it could look nothing up."""
    python = {(pin.name, pin.version): pin for pin in pins if pin.ecosystem == "PyPI"}
    if not python:
        return {}
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"{name}=={version}\n" for name, version in sorted(python))
        file.flush()
        options = [
            "--disable-pip",
            "--no-deps",
            "--format",
            "json",
            "--progress-spinner",
            "off",
            "--timeout",
            str(TIMEOUT),
        ]
        report = _json_of([sys.executable, "-m", "pip_audit", *options, "--requirement", file.name])
    answers: dict[Pin, list[Fault]] = {}
    for entry in (report or {}).get("dependencies", []):
        pin = python.get((canonicalize_name(entry["name"]), entry.get("version", "")))
        if pin is not None and "vulns" in entry:
            answers[pin] = [
                Fault((fault["id"], *fault.get("aliases", ())), tuple(fault["fix_versions"]))
                for fault in entry["vulns"]
            ]
    return answers


def npm_audit(pins: Collection[Pin]) -> Answers:
    """The registry of Node.js packages, asked by npm for each lock file."""
    answers: dict[Pin, list[Fault]] = {}
    for lock in NPM:
        locked = npm_pins([lock]) & set(pins)
        report = (
            _json_of(["npm", "audit", "--json", "--package-lock-only", "--prefix", str(lock.parent)])
            if locked
            else None
        )
        if report is None or "vulnerabilities" not in report:
            continue
        for pin in locked:
            causes = [
                cause
                for cause in report["vulnerabilities"].get(pin.name, {"via": []})["via"]
                if isinstance(cause, dict)
            ]
            answers[pin] = [Fault((cause["url"].rpartition("/")[2],)) for cause in causes]
    return answers


def osv(pins: Collection[Pin]) -> Answers:
    """The database of all ecosystems. It names ids; versions that mend them stand on their pages."""
    answers: dict[Pin, list[Fault]] = {}
    rest = sorted(pins)
    try:
        while rest:
            page, rest = rest[:AT_ONCE], rest[AT_ONCE:]
            asked = [
                {"package": {"ecosystem": pin.ecosystem, "name": pin.name}, "version": pin.version}
                for pin in page
            ]
            request = urllib.request.Request(OSV, json.dumps({"queries": asked}).encode())
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 -- the same
                results = json.load(answer)["results"]
            for pin, result in zip(page, results, strict=True):
                answers[pin] = [Fault((entry["id"],)) for entry in result.get("vulns", [])]
    except (OSError, ValueError, KeyError):
        pass  # what it has not answered for stays unknown
    return answers


DATABASES: Final = (Database("PyPI", pip_audit), Database("npm", npm_audit), Database("OSV", osv))
"""In this order; each only for what those before it did not answer for."""


def _json_of(command: Sequence[str]) -> Any:
    """What a program printed as JSON, whatever its exit code; None when it is not there, or printed something else."""
    try:
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    except (OSError, ValueError):
        return None
