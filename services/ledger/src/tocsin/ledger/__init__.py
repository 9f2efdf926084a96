"""Keeps what happened to every message, exactly once, and answers for it."""

from tocsin.ledger.app import create_app

__all__ = ["create_app"]
