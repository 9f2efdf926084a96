"""The contracts as documents: JSON Schemas, AsyncAPI, OpenAPI, all made from the code that keeps them."""

from tocsin.specifications.documents import documents

__all__ = ["documents"]
