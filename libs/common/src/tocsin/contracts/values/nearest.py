"""The name that was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that names the known name nearest to `name`; all of them where none is near. It does not repeat `name`."""
    names = list(known)
    near = get_close_matches(name[:100].lower(), names, n=1)
    if near:
        return f"Did you mean `{near[0]}`?"
    return f"Known: {', '.join(names)}." if names else "None is known here."
