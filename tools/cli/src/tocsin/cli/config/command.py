"""`tocsin config check`: the settings of one service or all, from an environment, a file or Kubernetes manifests."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli.config.across import across
from tocsin.cli.config.environment import ConfigFinding, check, merged, read_env_file
from tocsin.cli.config.manifests import Manifests, ManifestsUnreadable, read_manifests
from tocsin.cli.config.processes import PROCESSES, SERVICES, NotInstalled
from tocsin.cli.config.workloads import checked_workloads, not_installed
from tocsin.cli.output import print_json, print_table, refuse

WARNED, REFUSED = 1, 2

app = typer.Typer(help="Settings of the services.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `check` a command of its own although it is the only one."""


@app.command("check")
def check_config(
    *,
    service: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SERVICE]...",
            help=f"Which: {', '.join(PROCESSES)}; without one, all services.",
            show_default=False,
        ),
    ] = None,
    env_file: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Read NAME=value lines, and nothing of the environment."
        ),
    ] = None,
    manifests: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Read Kubernetes manifests, `-` for standard input: `kubectl kustomize … | tocsin config check --manifests -`. "
            "Workloads are checked by their own variables and files; ConfigMaps and Secrets alone are the environment of the service that you name.",
        ),
    ] = None,
    without_secrets: Annotated[
        bool,
        typer.Option(
            "--without-secrets",
            help="Take every Secret of the manifests as given: its values are not looked at.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a service refuses to start with, what is misspelt, and which values do harm. Secrets are never printed.

    Exit code 2 where a service would not start or could not work, 1 where there are warnings, else 0.
    """
    names = service or []
    if strangers := [name for name in names if name not in PROCESSES]:
        refuse(f"No such service: {', '.join(strangers)}. There are: {', '.join(PROCESSES)}.", code=REFUSED)
    if env_file is not None and manifests is not None:
        refuse("Give --env-file or --manifests, not both.", code=REFUSED)
    try:
        if manifests is not None:
            findings, looked_at = _of_manifests(read_manifests(_text(manifests)), names, without_secrets)
        else:
            variables = read_env_file(env_file) if env_file else dict(os.environ)
            findings, looked_at = _of_environment(variables, names)
    except NotInstalled as missing:
        refuse(
            f"{missing} is not installed here: run this where it is, or in a checkout, which has all.",
            code=REFUSED,
        )
    except (ManifestsUnreadable, OSError, ValueError) as error:
        refuse(str(error), code=REFUSED)
    _report(merged(findings), looked_at, as_json=as_json)


def _text(manifests: str) -> str:
    return sys.stdin.read() if manifests == "-" else Path(manifests).read_text(encoding="utf-8")


def _of_environment(
    variables: Mapping[str, str], names: Sequence[str]
) -> tuple[list[ConfigFinding], list[str]]:
    """Findings, and which processes were looked at. Those that are not installed are passed over; for one that was named it raises NotInstalled."""
    findings: list[ConfigFinding] = []
    looked_at: list[str] = []
    for name in names or SERVICES:
        try:
            findings += check(name, variables).findings
        except NotInstalled:
            if names:
                raise
            continue
        looked_at.append(name)
    return findings, looked_at


def _of_manifests(
    manifests: Manifests, names: Sequence[str], without_secrets: bool
) -> tuple[list[ConfigFinding], list[str]]:
    if not manifests.workloads:
        if not names:
            refuse(
                "The manifests hold no Deployment or Job: name the service whose variables they are.",
                code=REFUSED,
            )
        return _of_environment(manifests.variables(), names)
    workloads = checked_workloads(manifests, names=names, without_secrets=without_secrets)
    if not names and (skipped := not_installed(manifests)):
        typer.echo(f"Not looked at, as they are not installed here: {', '.join(skipped)}.", err=True)
    if not workloads:
        refuse("The manifests hold no workload of such a service.", code=REFUSED)
    findings = [finding for workload in workloads for finding in workload.findings]
    return findings + list(across(manifests, workloads)), [workload.title for workload in workloads]


def _report(findings: Sequence[ConfigFinding], looked_at: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json([vars(finding) | {"where": list(finding.where)} for finding in findings])
    elif findings:
        rows = [(one.level, ", ".join(one.where), one.what, one.remedy) for one in findings]
        print_table("Settings", ("level", "where", "what", "what to do"), rows)
    else:
        typer.echo(f"Nothing is wrong. Looked at: {', '.join(looked_at)}.")
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(REFUSED)
    if findings:
        raise typer.Exit(WARNED)
