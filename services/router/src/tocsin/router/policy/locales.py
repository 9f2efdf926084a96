"""Which languages to look for a template in: RFC 4647 look-up, with the script that a country usually writes a language in.

All tags are in canonical form (`tocsin.contracts.values.locale`).
"""

from collections import defaultdict
from collections.abc import Iterator
from functools import cache, lru_cache

from babel.core import get_global


@cache
def _likely() -> dict[str, str]:
    """CLDR: `zh_TW` is `zh_Hant_TW`. Read from a file when it is first needed, which takes 20 ms: a process that decides nothing never does."""
    return get_global("likely_subtags")  # type: ignore[return-value]  # typed for all of CLDR's tables at once


@lru_cache(maxsize=4096)
def locale_candidates(wanted: str | None, default: str) -> tuple[str, ...]:
    """Locales in the order to try: the recipient's, each shorter form of it, the tenant's default; each once.

    `zh-TW`: zh-TW, zh-Hant-TW, zh-Hant, zh. `pt-BR`: pt-BR, pt.
    """
    return tuple(dict.fromkeys([*(_lookup(wanted) if wanted else ()), default]))


def _lookup(tag: str) -> Iterator[str]:
    yield tag
    language, _, rest = tag.partition("-")
    if language in _languages_of_several_scripts():
        scripted = _with_script(language, rest)
        if scripted == tag:
            yield from _without_script(language, rest)
        yield from _shortened(scripted)
    else:
        yield from _shortened(tag)


def _shortened(tag: str) -> Iterator[str]:
    while tag:
        yield tag
        tag = tag.rpartition("-")[0]


def _with_script(language: str, rest: str) -> str:
    """The tag with the script it is usually written in, where it names none."""
    subtags = rest.split("-") if rest else []
    if subtags and _is_script(subtags[0]):
        return f"{language}-{rest}"
    return "-".join([language, _likely_script(language, subtags), *subtags])


def _without_script(language: str, rest: str) -> Iterator[str]:
    """The tag without its script, where that is the usual one: `zh-Hant-TW` may be saved as `zh-TW`."""
    script, _, others = rest.partition("-")
    if others and script == _likely_script(language, others.split("-")):
        yield f"{language}-{others}"


def _likely_script(language: str, subtags: list[str]) -> str:
    region = subtags[0] if subtags else ""
    likely = _likely()
    return (likely.get(f"{language}_{region}") or likely[language]).split("_")[1]


def _is_script(subtag: str) -> bool:
    return len(subtag) == 4 and subtag.isalpha()


@cache
def _languages_of_several_scripts() -> frozenset[str]:
    """Languages that are written differently in different countries. For others a script says nothing."""
    scripts = defaultdict(set)
    likely = _likely()
    for key, tag in likely.items():
        language, *subtags = key.split("_")
        if not (subtags and _is_script(subtags[0])):
            scripts[language].add(tag.split("_")[1])
    return frozenset(
        language for language, written in scripts.items() if len(written) > 1 and language in likely
    ) - {"und"}
