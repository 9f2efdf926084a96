"""Kubernetes manifests as far as settings need them: workloads, their scalers, and the ConfigMaps and Secrets that they name."""

import json
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

Object = dict[str, Any]

WORKLOADS: Final = ("Deployment", "StatefulSet", "Job")
SCALERS: Final = ("ScaledObject", "HorizontalPodAutoscaler")
DEFAULT_GRACE: Final = 30.0
"""Kubernetes' own, in seconds."""
_UNITS: Final = (
    {"": Decimal(1), "m": Decimal("0.001"), "k": Decimal(10**3)}
    | {unit: Decimal(10 ** (3 * power)) for power, unit in enumerate("MGTPE", 2)}
    | {f"{unit}i": Decimal(2 ** (10 * power)) for power, unit in enumerate("KMGTPE", 1)}
)
_QUANTITY: Final = re.compile(r"(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)(m|k|[MGTPE]|[KMGTPE]i|)")
_SLEEP: Final = re.compile(r"(?:/\S*/)?sleep (\d+(?:\.\d*)?)([smhd]?)")
_SHELLS: Final = ("sh", "bash", "ash", "dash")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


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
    def before_stop(self) -> float | None:
        """Seconds of them that pass before SIGTERM; None where the hook is no mere sleep."""
        hook = (self.container.get("lifecycle") or {}).get("preStop")
        if not hook:
            return 0.0
        if "sleep" in hook:
            return float(hook["sleep"]["seconds"])
        words = [str(word) for word in hook.get("exec", {}).get("command") or ()]
        if len(words) == 3 and words[0].rpartition("/")[2] in _SHELLS and words[1] == "-c":
            words = words[2].split()
        sleep = _SLEEP.fullmatch(" ".join(words))
        return float(sleep[1]) * _SECONDS[sleep[2]] if sleep else None

    @property
    def memory_limit(self) -> int | None:
        """Bytes. Raises ValueError with a sentence where Kubernetes would refuse it."""
        limit = self.container.get("resources", {}).get("limits", {}).get("memory")
        if limit is None:
            return None
        quantity = _QUANTITY.fullmatch(str(limit))
        if quantity is None:
            raise ValueError(f"Its memory limit {limit!r} is no quantity of Kubernetes.")
        return int(Decimal(quantity[1]) * _UNITS[quantity[2]])


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
