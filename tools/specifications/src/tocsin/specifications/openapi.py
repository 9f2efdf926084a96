"""The OpenAPI document of each service, and one of all behind the one entry."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from fastapi import FastAPI

SERVICES = {
    "ingest": "tocsin.ingest.app",
    "router": "tocsin.router.api",
    "ledger": "tocsin.ledger.app",
    "dispatch-inapp": "tocsin.dispatch_inapp.api",
}
"""Where each service with an HTTP API of its own makes its application; the other dispatchers have none."""


def service_openapi() -> dict[str, dict[str, Any]]:
    """Service → its document."""
    return {service: _app(module).openapi() for service, module in SERVICES.items()}


def _app(module: str) -> FastAPI:
    create_app: Callable[[], FastAPI] = import_module(module).create_app
    return create_app()


def merged_openapi(services: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """All paths in one document. A path or a schema that two services define differently is refused."""
    merged: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Tocsin",
            "version": "1",
            "description": "One entry for every service: notifications and events in, the directory, timelines out.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [
            {
                "url": "{entry}",
                "description": "The one entry before all services",
                "variables": {"entry": {"default": "http://localhost:8000"}},
            }
        ],
        "paths": {},
        "components": {},
    }
    for service, document in services.items():
        for path, item in document["paths"].items():
            if path in merged["paths"]:
                raise ValueError(f"{service} defines {path}, which another service has already.")
            merged["paths"][path] = item
        for kind, components in document.get("components", {}).items():
            _merge(merged["components"].setdefault(kind, {}), components, service)
    return merged


def _merge(into: dict[str, Any], components: dict[str, Any], service: str) -> None:
    for name, component in components.items():
        if into.setdefault(name, component) != component:
            raise ValueError(
                f"{service} defines the component {name} otherwise than another service: rename one."
            )
