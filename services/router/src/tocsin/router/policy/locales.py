"""Which languages to look for a template in."""

import re
from functools import lru_cache
from typing import Final

_FORM: Final = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,6}").fullmatch


@lru_cache(maxsize=4096)
def locale_candidates(wanted: str | None, default: str) -> tuple[str, ...]:
    """Locales in the order to try: exactly the recipient's, its language, the tenant's default; each once.

    What is no language tag is not looked for: a producer may have put anything there, and decisions tell what was tried.
    """
    candidates = []
    if wanted and _FORM(wanted):
        exact = wanted.replace("_", "-")
        candidates += [exact, exact.partition("-")[0]]
    candidates.append(default)
    return tuple(dict.fromkeys(candidates))


@lru_cache(maxsize=4096)
def wanted_locale(locale: str | None) -> str:
    """The recipient's locale as a decision may tell it: empty when there is none or it is no language tag."""
    return locale if locale and _FORM(locale) else ""
