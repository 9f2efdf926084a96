"""The worker role: events in, decisions out, exactly once.

Read in this order: `components` → `routing` (one batch) → `reading`, `claims`, `fan_out`, `lookups`, `deliveries`.
"""

from tocsin.router.worker.components import worker_components
from tocsin.router.worker.directory import PublishedDirectory

__all__ = ["PublishedDirectory", "worker_components"]
