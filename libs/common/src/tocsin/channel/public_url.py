"""An address under which others reach us, as a setting has it."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator


def _address(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", url) or not _has_host(url):
        raise ValueError("write an address such as https://callbacks.example.com")
    return url.rstrip("/")


def _has_host(url: str) -> bool:
    """And a port that is one, where it names any."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


PublicUrl = Annotated[str, AfterValidator(_address)]
