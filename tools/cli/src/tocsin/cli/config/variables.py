"""A container's variables as Kubernetes puts them together, and which of them have no effect."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tocsin.cli.config.manifests import Workload

Data = Callable[[str, str], dict[str, str] | None]
"""What a ConfigMap or a Secret of that kind and name holds; None where it is made elsewhere."""
OWN: Final = "its own `env`"
_OF_THE_POD: Final = "set-by-kubernetes"


class Variables:
    """`values` by name. `whole` is False where a Secret is made elsewhere, so that some may be missing. `shadowed` has, for each variable
    that two places give different values: its name, the place that has no effect, and the one that has."""

    def __init__(self, workload: Workload, data: Data) -> None:
        self.values: dict[str, str] = {}
        self.whole = True
        self.shadowed: list[tuple[str, str, str]] = []
        self._places: dict[str, str] = {}
        self._data = data
        container = workload.container
        for source in container.get("envFrom") or ():
            self._take_all(source)
        for entry in container.get("env") or ():
            own = entry.get("value", "") if "valueFrom" not in entry else self._value_from(entry["valueFrom"])
            self._take(entry["name"], own, OWN)

    def _take_all(self, source: Mapping[str, Any]) -> None:
        """The later source wins."""
        kind, name = next(
            (key.removesuffix("Ref"), value["name"]) for key, value in source.items() if key.endswith("Ref")
        )
        kind = {"configMap": "ConfigMap", "secret": "Secret"}[kind]
        data = self._data(kind, name)
        self.whole = self.whole and data is not None
        for variable, value in (data or {}).items():
            self._take(source.get("prefix", "") + variable, value, f"{kind} {name}")

    def _take(self, name: str, value: str | None, place: str) -> None:
        """None: it is in a Secret that is made elsewhere."""
        if name in self._places and value != self.values.get(name):
            self.shadowed.append((name, self._places[name], place))
        self._places[name] = place
        if value is None:
            self.whole = False
        else:
            self.values[name] = str(value)

    def _value_from(self, source: Mapping[str, Any]) -> str | None:
        for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            if key in source:
                data = self._data(kind, source[key]["name"])
                return None if data is None else data.get(source[key]["key"])
        return _OF_THE_POD
