"""Where the local stack keeps its files: all of them inside the project."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[5]
"""The workspace's root folder. May hold spaces."""

CACHE = PROJECT / ".cache"
"""What was downloaded or built once and may be deleted at any time."""

RUN = PROJECT / ".dev"
"""The local stack's data, logs and addresses."""
