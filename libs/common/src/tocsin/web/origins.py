"""Origins of web pages, as browsers write them in `Origin`: scheme, host, and the port where it is not the usual one."""

import re
from typing import Final

LONGEST_ORIGIN: Final = 300
_ORIGIN: Final = re.compile(
    r"(?P<scheme>https?)://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:(?P<port>[1-9][0-9]{0,4}))?"
).fullmatch
_USUAL_PORTS: Final = {"http": "80", "https": "443"}


def checked_origin(value: str) -> str:
    """The origin, as it is. ValueError, with a sentence, where no browser sends it."""
    matched = _ORIGIN(value) if len(value) <= LONGEST_ORIGIN else None
    if matched is None:
        raise ValueError(
            "Not the origin of a web page. Write scheme, host and, where it is not the usual one, port, in small letters and with "
            "nothing behind, such as https://shop.example"
        )
    port = matched["port"]
    if port is not None and port == _USUAL_PORTS[matched["scheme"]]:
        raise ValueError(f"Leave out :{port}: browsers do not send the usual port")
    if port is not None and int(port) > 65_535:
        raise ValueError("There is no such port: the last one is 65535")
    return value


def is_origin(value: str) -> bool:
    """Whether a browser could send it from a page of http or https."""
    try:
        checked_origin(value)
    except ValueError:
        return False
    return True
