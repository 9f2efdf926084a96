"""Writing: a plain idempotent publisher, and transactions."""
