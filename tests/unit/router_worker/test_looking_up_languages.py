"""In which order templates are looked for, by language."""

import pytest

from tocsin.router.policy import locale_candidates


@pytest.mark.parametrize(
    ("wanted", "tried"),
    [
        (None, "en"),
        ("en", "en"),
        ("de", "de en"),
        ("pt-BR", "pt-BR pt en"),
        ("es-419", "es-419 es en"),
        ("sl-rozaj-biske", "sl-rozaj-biske sl-rozaj sl en"),
        ("tlh", "tlh en"),
        ("zh", "zh zh-Hans en"),
        ("zh-CN", "zh-CN zh-Hans-CN zh-Hans zh en"),
        ("zh-TW", "zh-TW zh-Hant-TW zh-Hant zh en"),
        ("zh-HK", "zh-HK zh-Hant-HK zh-Hant zh en"),
        ("zh-Hant-TW", "zh-Hant-TW zh-TW zh-Hant zh en"),
        ("zh-Hant", "zh-Hant zh en"),
        ("zh-Hans-TW", "zh-Hans-TW zh-Hans zh en"),
        ("sr", "sr sr-Cyrl en"),
        ("sr-ME", "sr-ME sr-Latn-ME sr-Latn sr en"),
        ("sr-Latn-RS", "sr-Latn-RS sr-Latn sr en"),
        ("uz-AF", "uz-AF uz-Arab-AF uz-Arab uz en"),
    ],
)
def test_a_language_is_shortened_subtag_by_subtag_and_then_the_tenants(
    wanted: str | None, tried: str
) -> None:
    assert " ".join(locale_candidates(wanted, "en")) == tried
