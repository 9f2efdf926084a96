"""Takes events in over HTTP and writes them to Kafka: durable before it says yes, refused at once where it must say no."""

from tocsin.ingest.app import create_app

__all__ = ["create_app"]
