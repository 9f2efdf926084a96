"""Kubernetes manifests as far as settings need them: workloads, their scalers, and the ConfigMaps and Secrets that they name."""

import json
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Object = dict[str, Any]

WORKLOADS: Final = ("Deployment", "StatefulSet", "Job")
SCALERS: Final = ("ScaledObject", "HorizontalPodAutoscaler")
DEFAULT_GRACE: Final = 30.0
"""Kubernetes' own, in seconds."""
_UNITS: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "K": 10**3, "M": 10**6, "G": 10**9}


class ManifestsUnreadable(Exception):
    """What was given is no list of Kubernetes objects; the message says why."""


@dataclass(frozen=True)
class Workload:
    """A Deployment, a StatefulSet or a Job, with its first container."""

    manifest: Object

    @property
    def name(self) -> str:
        """As the scalers name it."""
        return str(self.manifest["metadata"]["name"])

    @property
    def title(self) -> str:
        """What a person calls it."""
        return f"{self.manifest['kind']} {self.name}"

    @property
    def pod(self) -> Object:
        """The specification of its Pods."""
        spec: Object = self.manifest["spec"]["template"]["spec"]
        return spec

    @property
    def container(self) -> Object:
        """The one that runs the service."""
        first: Object = self.pod["containers"][0]
        return first

    @property
    def words(self) -> Sequence[str]:
        """What the container is started with."""
        return [*self.container.get("command", ()), *self.container.get("args", ())]

    @property
    def mounts(self) -> Iterator[tuple[str, Object]]:
        """Each path of the container where files of a ConfigMap or a Secret lie, and the volume."""
        volumes = {volume["name"]: volume for volume in self.pod.get("volumes") or ()}
        for mount in self.container.get("volumeMounts") or ():
            volume = volumes.get(mount["name"], {})
            if "subPath" not in mount and ("configMap" in volume or "secret" in volume):
                yield mount["mountPath"].rstrip("/"), volume

    @property
    def grace(self) -> float:
        """Seconds between SIGTERM's announcement and SIGKILL."""
        return float(self.pod.get("terminationGracePeriodSeconds", DEFAULT_GRACE))

    @property
    def before_stop(self) -> float:
        """Seconds of them that pass before SIGTERM."""
        hook = self.container.get("lifecycle", {}).get("preStop", {})
        words = hook.get("exec", {}).get("command", ())
        return float(hook.get("sleep", {}).get("seconds") or (words[1] if words[:1] == ["sleep"] else 0))

    @property
    def memory_limit(self) -> int | None:
        """Bytes."""
        limit = self.container.get("resources", {}).get("limits", {}).get("memory")
        if limit is None:
            return None
        number = str(limit).rstrip("KMGi")
        return int(float(number) * _UNITS.get(str(limit)[len(number) :], 1))


@dataclass(frozen=True)
class Manifests:
    """All objects, in the order in which they stand."""

    objects: Sequence[Object]

    @property
    def workloads(self) -> list[Workload]:
        """Those that run something."""
        return [Workload(thing) for thing in self.objects if thing["kind"] in WORKLOADS]

    def scaler_of(self, workload: Workload) -> Object | None:
        """The specification of what says how many Pods there are, where it is no number in the manifest."""
        specs = (thing["spec"] for thing in self.objects if thing["kind"] in SCALERS)
        return next((spec for spec in specs if spec["scaleTargetRef"]["name"] == workload.name), None)

    def data_of(self, kind: str, name: str) -> dict[str, str] | None:
        """What a ConfigMap or a Secret holds; None where it is not among the manifests, or is made elsewhere."""
        for thing in self.objects:
            if thing["kind"] == kind and thing["metadata"]["name"] == name:
                return _data(thing)
        return None

    def variables(self) -> dict[str, str]:
        """All ConfigMaps and Secrets together."""
        holders = (thing for thing in self.objects if thing["kind"] in ("ConfigMap", "Secret"))
        return {name: value for thing in holders for name, value in _data(thing).items()}


def read_manifests(text: str) -> Manifests:
    """Objects from JSON or YAML, a `List` taken apart. Raises ManifestsUnreadable."""
    documents = _documents(text)
    objects = [item for document in documents for item in _items(document)]
    if not objects:
        raise ManifestsUnreadable("There is no manifest in it.")
    if not all(isinstance(thing, dict) and "kind" in thing and "metadata" in thing for thing in objects):
        raise ManifestsUnreadable("Every document must be a Kubernetes object, with kind and metadata.")
    return Manifests(objects)


def _documents(text: str) -> Sequence[Any]:
    try:
        return [json.loads(text)]
    except ValueError:
        pass
    try:
        import yaml  # noqa: PLC0415 - images have no need of it
    except ModuleNotFoundError:
        raise ManifestsUnreadable(
            "YAML needs the package pyyaml: run this in a checkout, or give the manifests as JSON."
        ) from None
    try:
        return [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        mark = getattr(
            error, "problem_mark", None
        )  # the error itself would show the line, which may hold a secret
        raise ManifestsUnreadable(f"It is no YAML{f' in line {mark.line + 1}' if mark else ''}.") from None


def _items(document: Any) -> Sequence[Any]:
    if isinstance(document, dict) and document.get("kind") == "List":
        return list(document.get("items") or ())
    return [document]


def _data(holder: Mapping[str, Any]) -> dict[str, str]:
    data = {name: str(value) for name, value in (holder.get("data") or {}).items()}
    if holder["kind"] == "Secret":
        try:
            data = {name: b64decode(value).decode() for name, value in data.items()}
        except (NotBase64, UnicodeDecodeError):
            raise ManifestsUnreadable(f"Secret {holder['metadata']['name']} is not in base64.") from None
        data |= {name: str(value) for name, value in (holder.get("stringData") or {}).items()}
    return data
