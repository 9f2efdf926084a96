"""The manifests of an overlay as tests look at them: rendered by kustomize, once in a process."""

import re
from base64 import b64decode
from collections.abc import Mapping
from functools import cache
from typing import Any

from tocsin.dev.kube import OVERLAYS, render

Object = dict[str, Any]

NAME = "app.kubernetes.io/name"
__all__ = [
    "NAME",
    "OVERLAYS",
    "Manifests",
    "Object",
    "container",
    "labels",
    "manifests",
    "plain_name",
    "pod",
    "title",
]


def pod(workload: Object) -> Object:
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Object) -> Object:
    (only,) = pod(workload)["containers"]
    assert isinstance(only, dict)
    return only


def labels(workload: Object) -> dict[str, str]:
    """Those of its Pods."""
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


def title(thing: Object) -> str:
    return f"{thing['kind']} {thing['metadata']['name']}"


def plain_name(thing: Object) -> str:
    """Its name without the hash that kustomize appends."""
    return re.sub(r"-[bcdfghkmt2456789]{10}$", "", thing["metadata"]["name"])


class Manifests:
    """All objects of one overlay."""

    def __init__(self, overlay: str) -> None:
        self.overlay = overlay
        self.objects = render(overlay)

    def of_kind(self, *kinds: str) -> list[Object]:
        return [thing for thing in self.objects if thing["kind"] in kinds]

    def named(self, kind: str, name: str) -> Object:
        (only,) = (thing for thing in self.of_kind(kind) if thing["metadata"]["name"] == name)
        return only

    @property
    def deployments(self) -> list[Object]:
        return self.of_kind("Deployment")

    @property
    def workloads(self) -> list[Object]:
        return self.of_kind("Deployment", "Job")

    def generated(self, name: str) -> dict[str, str]:
        """What the ConfigMap `name` holds, whatever hash its name ends with."""
        (only,) = (thing for thing in self.of_kind("ConfigMap") if plain_name(thing) == name)
        data: dict[str, str] = only["data"]
        return data

    def secret(self, name: str) -> Mapping[str, str]:
        """What a Secret holds. One that a secret manager fills has the keys and examples of staging's."""
        if any(thing["spec"]["target"]["name"] == name for thing in self.of_kind("ExternalSecret")):
            secrets = manifests("staging").of_kind("Secret")
            (secret,) = (thing for thing in secrets if plain_name(thing) == name)
        else:
            secret = self.named("Secret", name)
        return {key: b64decode(value).decode() for key, value in secret["data"].items()}

    def variables(self, workload: Object) -> dict[str, str]:
        """All variables of a container: no Secret is among them."""
        variables: dict[str, str] = {}
        for source in container(workload)["envFrom"]:
            variables |= self.named("ConfigMap", source["configMapRef"]["name"])["data"]
        return variables | {entry["name"]: entry["value"] for entry in container(workload).get("env", [])}

    def credentials(self, workload: Object) -> dict[str, str]:
        """The files of its Secret, by their paths."""
        (mount,) = (mount for mount in container(workload)["volumeMounts"] if mount["name"] == "credentials")
        (volume,) = (volume for volume in pod(workload)["volumes"] if volume["name"] == "credentials")
        files = self.secret(volume["secret"]["secretName"])
        return {f"{mount['mountPath']}/{key}": value for key, value in files.items()}

    def environment(self, workload: Object) -> dict[str, str]:
        """Its variables, and as if they were variables the secrets that stand in files."""
        files, variables = self.credentials(workload), self.variables(workload)
        return {
            name.removesuffix("_FILE") if value in files else name: files.get(value, value)
            for name, value in variables.items()
        }


@cache
def manifests(overlay: str) -> Manifests:
    return Manifests(overlay)
