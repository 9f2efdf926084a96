"""Every document by its path below docs/contracts."""

import json
from typing import Any

from tocsin.specifications.asyncapi import asyncapi
from tocsin.specifications.openapi import merged_openapi, service_openapi
from tocsin.specifications.schemas import schemas


def documents() -> dict[str, str]:
    """Path → text, ready to write. The same code gives the same text."""
    by_name: dict[str, Any] = {f"schemas/{name}.v1.json": schema for name, schema in schemas().items()}
    by_name["asyncapi.json"] = asyncapi()
    services = service_openapi()
    by_name |= {f"openapi/{service}.json": document for service, document in services.items()}
    by_name["openapi.json"] = merged_openapi(services)
    return {
        path: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for path, document in by_name.items()
    }
