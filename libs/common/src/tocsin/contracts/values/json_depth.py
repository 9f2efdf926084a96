"""How deep JSON nests. Reading and writing it again recurse, so that what is deeper may be read here and not there."""

from typing import Any, Final

from tocsin.contracts.limits import JSON_DEPTH

DEPTH_RULE: Final = f"JSON may nest {JSON_DEPTH} deep. Make it flatter"


def too_deep(value: Any) -> bool:
    """Whether the decoded value nests deeper than `JSON_DEPTH`. Level by level: recursion would hit the interpreter's own bound."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(JSON_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return bool(level)
