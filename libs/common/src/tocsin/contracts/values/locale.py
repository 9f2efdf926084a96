"""Language tags (BCP 47). Canonical form: `de`, `pt-BR`, `zh-Hant-TW`.

Taken in any case, with `-` or `_`. Extensions and private use (`-u-nu-latn`, `-x-mine`) are cut off: no template is looked for by
them. A tag must be well-formed; whether its language exists is not asked, so that a rare one needs no release of ours.
"""

import re
from functools import lru_cache
from typing import Final

from tocsin.contracts.values.refusal import ValueRefused
from tocsin.contracts.vocabulary import Reason

LONGEST: Final = 100
"""Characters, as written."""
_LONGEST_KEPT: Final = 35
_RULE: Final = "Not a language tag. Write a BCP 47 tag such as `de`, `pt-BR` or `zh-Hant-TW`"

_TAG: Final = re.compile(
    r"(?:(?:ar|kok|lv|ms|sgn|sw|uz|zh)(?:-[a-z]{3})??-(?P<extended>[a-z]{3})|(?P<language>[a-z]{2,3}))"
    r"(?:-(?P<script>[a-z]{4}))?"
    r"(?:-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)"
    r"(?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*"
    r"(?:-x(?:-[a-z0-9]{1,8})+)?"
).fullmatch
_PREFERRED: Final = {"iw": "he", "in": "id", "ji": "yi", "jw": "jv", "mo": "ro", "cmn": "zh"}
"""Old codes that phones still send, and what the registry of IANA says to write instead (ISO 639-3 for Mandarin)."""


@lru_cache(maxsize=4096)
def locale(text: str) -> str:
    """The tag in its canonical form. Raises ValueRefused."""
    tag = _TAG(text.replace("_", "-").lower()) if len(text) <= LONGEST and text.isascii() else None
    if tag is None:
        raise ValueRefused(Reason.LOCALE_INVALID, _RULE)
    language = tag["extended"] or tag["language"]
    parts = [_PREFERRED.get(language, language)]
    if tag["script"]:
        parts.append(tag["script"].title())
    if tag["region"]:
        parts.append(tag["region"].upper())
    kept = "-".join(parts) + tag["variants"]
    if len(kept) > _LONGEST_KEPT:
        raise ValueRefused(Reason.LOCALE_INVALID, _RULE)
    return kept
