"""The router's `api` role: the directory over HTTP, the unsubscribe page, and the relay's view of both."""

from tocsin.router.api.app import create_app

__all__ = ["create_app"]
