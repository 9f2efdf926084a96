"""botocore as a judge of requests to AWS: it computes the signature anew, and its model of a service says what a request may hold."""

import re
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.validate import ParamValidator

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def operation(service: str, name: str) -> OperationModel:
    """What botocore knows of an operation."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service).operation_model(name)


def faults(model: OperationModel, parameters: dict[str, Any]) -> list[str]:
    """What botocore finds wrong with a request's parameters; lengths and patterns, too, which it leaves to the service."""
    report = ParamValidator().validate(parameters, model.input_shape)
    found = [report.generate_report()] if report.has_errors() else []
    for name, value in parameters.items():
        found += [f"{name}: {fault}" for fault in _limits(model.input_shape.members[name], value)]
    return found


def _limits(shape: Any, value: Any) -> list[str]:
    limits = shape.metadata
    if isinstance(value, dict):
        inner = [_limits(shape.key, key) + _limits(shape.value, text) for key, text in value.items()]
        return [fault for found in inner for fault in found]
    size = len(value) if isinstance(value, str) else value
    found = []
    if "max" in limits and size > limits["max"]:
        found.append(f"more than {limits['max']}")
    if "min" in limits and size < limits["min"]:
        found.append(f"less than {limits['min']}")
    if "pattern" in limits and not re.fullmatch(limits["pattern"], value):
        found.append(f"not {limits['pattern']}")
    if shape.type_name == "string" and shape.enum and value not in shape.enum:
        found.append(f"none of {shape.enum}")
    return found


def is_signed(url: str, head: dict[str, str], body: bytes, *, service: str, token: str | None = None) -> bool:
    """Whether a `POST` bears the signature that botocore would give it."""
    signed = re.fullmatch(
        rf"AWS4-HMAC-SHA256 Credential={KEY_ID}/\d{{8}}/(?P<region>[a-z0-9-]+)/{service}/aws4_request, "
        r"SignedHeaders=(?P<names>[a-z0-9;-]+), Signature=(?P<signature>[0-9a-f]{64})",
        head.get("authorization", ""),
    )
    if signed is None or head.get("x-amz-security-token") != token:
        return False
    names = signed["names"].split(";")
    request = AWSRequest("POST", url, data=body, headers={name: head[name] for name in names})
    request.context["timestamp"] = head["x-amz-date"]
    judge = SigV4Auth(Credentials(KEY_ID, SECRET, token), service, signed["region"])
    text = judge.string_to_sign(request, judge.canonical_request(request))
    return {"host", "x-amz-date"} <= set(names) and judge.signature(text, request) == signed["signature"]
