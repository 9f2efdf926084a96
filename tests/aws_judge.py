"""botocore as a judge of requests to AWS: it computes the signature anew, and its model of a service says what a request may hold."""

import re
from datetime import UTC, datetime, timedelta
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


def parameter_faults(model: OperationModel, parameters: dict[str, Any]) -> list[str]:
    """What botocore finds wrong with a request's parameters; lengths and patterns, too, which it leaves to the service."""
    report = ParamValidator().validate(parameters, model.input_shape)
    return [report.generate_report()] if report.has_errors() else _limits(model.input_shape, parameters)


def _limits(shape: Any, value: Any) -> list[str]:
    limits = shape.metadata
    if shape.type_name == "structure":
        members = ((name, _limits(shape.members[name], member)) for name, member in value.items())
        return [f"{name}: {fault}" for name, faults in members for fault in faults]
    if shape.type_name == "list":
        return [fault for member in value for fault in _limits(shape.member, member)]
    if shape.type_name == "map":
        inner = [_limits(shape.key, key) + _limits(shape.value, text) for key, text in value.items()]
        return [fault for found in inner for fault in found]
    size = len(value) if isinstance(value, str | bytes) else value
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


def is_signed(
    url: str,
    head: dict[str, str],
    body: bytes,
    *,
    service: str,
    region: str,
    now: datetime,
    key_id: str = KEY_ID,
    secret: str = SECRET,
) -> bool:
    """Whether a `POST` bears the signature that botocore would give it at most five minutes from `now`."""
    given = re.fullmatch(
        rf"AWS4-HMAC-SHA256 Credential={key_id}/\d{{8}}/{region}/{service}/aws4_request, "
        r"SignedHeaders=([\w;-]+), Signature=[0-9a-f]{64}",
        head.get("authorization", ""),
    )
    if given is None:
        return False
    moment = datetime.strptime(head["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    names = set(given[1].split(";")) - {"host", "x-amz-date", "x-amz-security-token"}
    if abs(moment - now) > timedelta(minutes=5) or "content-type" not in names:
        return False
    request = AWSRequest("POST", url, data=body, headers={name: head[name] for name in names})
    request.context["timestamp"] = head["x-amz-date"]
    judge = SigV4Auth(Credentials(key_id, secret, head.get("x-amz-security-token")), service, region)
    judge._modify_request_before_signing(request)
    text = judge.string_to_sign(request, judge.canonical_request(request))
    judge._inject_signature_to_request(request, judge.signature(text, request))
    return str(request.headers["Authorization"]) == head["authorization"]
