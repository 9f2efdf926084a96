"""Which languages to look for a template in."""

from functools import lru_cache


@lru_cache(maxsize=4096)
def locale_candidates(wanted: str | None, default: str) -> tuple[str, ...]:
    """Locales in the order to try: exactly the recipient's, its language, the tenant's default; each once."""
    candidates = []
    if wanted:
        exact = wanted.replace("_", "-")
        candidates += [exact, exact.partition("-")[0]]
    candidates.append(default)
    return tuple(dict.fromkeys(candidates))
