"""Makes schemas.json beside this file: Kubernetes' own schemas, cut to the kinds our manifests use, without descriptions.

    python trim_schemas.py DEFINITIONS CRD…

DEFINITIONS is `_definitions.json` of a strict version in the PyPI package kubernetes-validate (made from Kubernetes' OpenAPI
document; strict: unknown fields are faults). CRDs are the files that `tocsin.dev.kube.definitions` names; their newest version counts.
"""

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

KINDS = {
    ("v1", "Namespace"): "io.k8s.api.core.v1.Namespace",
    ("v1", "ConfigMap"): "io.k8s.api.core.v1.ConfigMap",
    ("v1", "Secret"): "io.k8s.api.core.v1.Secret",
    ("v1", "Service"): "io.k8s.api.core.v1.Service",
    ("v1", "ServiceAccount"): "io.k8s.api.core.v1.ServiceAccount",
    ("apps/v1", "Deployment"): "io.k8s.api.apps.v1.Deployment",
    ("autoscaling/v2", "HorizontalPodAutoscaler"): "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
    ("batch/v1", "Job"): "io.k8s.api.batch.v1.Job",
    ("networking.k8s.io/v1", "NetworkPolicy"): "io.k8s.api.networking.v1.NetworkPolicy",
    ("policy/v1", "PodDisruptionBudget"): "io.k8s.api.policy.v1.PodDisruptionBudget",
}
REFERENCE = re.compile(r'"\$ref": "[^"]*/\$defs/([^"]+)"')


def main(definitions: Path, crds: Iterable[Path]) -> None:
    """Write schemas.json: `$defs`, and `kinds` from "apiVersion/kind" to a schema."""
    known: dict[str, Any] = json.loads(definitions.read_text())["$defs"]
    kinds: dict[str, Any] = {
        f"{version}/{kind}": {"$ref": f"#/$defs/{name}"} for (version, kind), name in KINDS.items()
    }
    for crd in crds:
        spec = yaml.safe_load(crd.read_text())["spec"]
        (version,) = (version for version in spec["versions"] if version["storage"])
        schema = closed(bare(version["schema"]["openAPIV3Schema"]))
        schema["properties"]["metadata"] = {"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
        kinds[f"{spec['group']}/{version['name']}/{spec['names']['kind']}"] = schema
    text = json.dumps({"$defs": needed(known, json.dumps(kinds)), "kinds": kinds}, separators=(",", ":"))
    (Path(__file__).parent / "schemas.json").write_text(text + "\n")


def needed(known: dict[str, Any], text: str) -> dict[str, Any]:
    """The definitions that `text` refers to, and those that these refer to."""
    definitions: dict[str, Any] = {}
    pending = REFERENCE.findall(text)
    while pending:
        name = pending.pop()
        if name not in definitions:
            schema = json.dumps(bare(known[name]))
            pending += REFERENCE.findall(schema)
            definitions[name] = json.loads(REFERENCE.sub(r'"$ref": "#/$defs/\1"', schema))
    return dict(sorted(definitions.items()))


def bare(schema: Any) -> Any:
    """Without descriptions and without what is for API servers only."""
    if isinstance(schema, list):
        return [bare(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: bare(part)
        for name, part in schema.items()
        if not name.startswith("x-kubernetes") and not (name == "description" and isinstance(part, str))
    }


def closed(schema: Any) -> Any:
    """Every object of a CRD knows its fields: an unknown one is a fault."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {name: closed(part) for name, part in schema.items()}
    if schema.get("type") == "object" and "properties" in schema and "additionalProperties" not in schema:
        parts["additionalProperties"] = False
    return parts


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
