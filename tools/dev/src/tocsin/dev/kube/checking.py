"""What is asked of the API server about the manifests of each overlay."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from tocsin.dev.errors import LocalStackError
from tocsin.dev.kube.api_server import ApiServer
from tocsin.dev.kube.mistakes import MISTAKES, Mistake
from tocsin.dev.kube.rendering import render, with_components, with_setting

Object = dict[str, Any]
Say = Callable[[str], None]
_APPLY = ("apply", "--server-side", "--validate=strict", "--output=name", "--filename=-")


class Refused(LocalStackError):
    """The API server refuses a manifest, or accepts what it must refuse. The message has its words."""


class Check:
    """Asks one API server; raises Refused at the first answer that is not as it should be."""

    def __init__(self, server: ApiServer, *, folder: Path, say: Say) -> None:
        self._server = server
        self._folder = folder
        self._say = say

    def install(self, definitions: Sequence[Path]) -> None:
        """Other projects' kinds, until the server serves them."""
        files = [word for file in definitions for word in ("--filename", str(file))]
        self._kubectl("apply", "--server-side", *files)
        self._kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")

    def overlay(self, name: str) -> None:
        """Every object as a dry run, every Pod against its namespace's rules, then all of it twice, and once more with a changed setting."""
        objects = render(name)
        self._apply([thing for thing in objects if thing["kind"] == "Namespace"])
        self._dry_run(name, objects)
        for _ in range(2):
            self._apply(objects)
        self._apply(with_setting(name, "LOG_LEVEL=DEBUG", folder=self._folder / f"changed-{name}"))
        self._say("      applied twice, and with a changed setting: accepted")

    def components(self, overlay: str, *names: str) -> None:
        """The overlay, which was applied before, with components that it does not list: every object and every Pod as a dry run."""
        folder = self._folder / f"components-{overlay}"
        self._dry_run(f"{overlay} with {', '.join(names)}", with_components(overlay, *names, folder=folder))

    def mistakes(self, objects: Sequence[Object]) -> None:
        """Each is refused, with the word that tells what is wrong."""
        for mistake in MISTAKES:
            spoilt = mistake.made_in([*objects, *_pods(objects)])
            self._say(f"  refused, {mistake.what}: {self._refusal(mistake, spoilt)}")

    def _dry_run(self, title: str, objects: Sequence[Object]) -> None:
        counts = self._apply(objects, "--dry-run=server")
        self._say(f"{title}: {sum(counts.values())} objects are accepted")
        for kind, count in sorted(counts.items()):
            self._say(f"  {count:>3} {kind}")
        pods = _pods(objects)
        self._apply(pods, "--dry-run=server")
        self._say(f"  {len(pods):>3} Pods of these pass the namespace's Pod Security rules")

    def _refusal(self, mistake: Mistake, spoilt: Object) -> str:
        answer = self._server.kubectl(*_APPLY, "--dry-run=server", objects=yaml.safe_dump(spoilt))
        if answer.returncode == 0:
            raise Refused(f"The API server accepts {mistake.what} in a {mistake.kind}.")
        if mistake.word not in answer.stderr:
            raise Refused(f"The API server refuses {mistake.what} for another reason: {answer.stderr}")
        return " ".join(answer.stderr.split())[:160]

    def _apply(self, objects: Sequence[Object], *words: str) -> Counter[str]:
        """How many objects of each kind the server accepted, all of them and without a warning."""
        names = self._kubectl(*_APPLY, *words, objects=yaml.safe_dump_all(objects)).split()
        if len(names) != len(objects):
            raise Refused(f"Of {len(objects)} objects the API server accepts {len(names)}.")
        return Counter(name.partition("/")[0] for name in names)

    def _kubectl(self, *words: str, objects: str | None = None) -> str:
        answer = self._server.kubectl(*words, objects=objects)
        if answer.returncode != 0 or "Warning:" in answer.stderr:
            raise Refused(f"kubectl {words[0]} says: {answer.stderr.strip()}")
        return answer.stdout


def _pods(objects: Sequence[Object]) -> list[Object]:
    """One Pod of each workload, as its controller would make it: what a Pod may not have is accepted in a Deployment."""
    return [_pod(workload) for workload in objects if workload["kind"] in ("Deployment", "Job", "ReplicaSet")]


def _pod(workload: Object) -> Object:
    template, own = workload["spec"]["template"], workload["metadata"]
    metadata = {**template["metadata"], "name": own["name"], "namespace": own["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
