"""Schemas, expressions and templates that once stopped a process, with the inputs as they were sent. Used wherever such a thing comes in."""

from typing import Any


def doubling_schema(steps: int = 36) -> dict[str, Any]:
    """Each definition asks the next one twice: written out there are 2 to the power of `steps`."""
    halves = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(steps)}
    return {"$ref": "#/$defs/a0", "$defs": {**halves, f"a{steps}": {"type": "object"}}}


DOUBLING_SCHEMA = doubling_schema()


def escaped_slashes(steps: int = 27) -> dict[str, Any]:
    """The same by names that are another path when they are decoded: what is counted is `true`."""
    inside, names = {}, {}
    for n in range(steps):
        asked = {"$ref": f"#/$defs/a{n + 1}%2Fdefinitions%2Fq"}
        inside[f"a{n}"] = {"definitions": {"q": {"allOf": [asked, asked]}}}
        names[f"a{n}/definitions/q"] = True
    last = {f"a{steps}": {"definitions": {"q": True}}, f"a{steps}/definitions/q": True}
    return {"$ref": "#/$defs/a0%2Fdefinitions%2Fq", "$defs": {**inside, **names, **last}}


def renamed_below(keyword: str = "id", steps: int = 27) -> dict[str, Any]:
    """The same below a name of its own (draft 4 says `id`), where `$ref` leads: what is counted stands at the root."""
    asked = doubling_schema(steps)
    return {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "properties": {
            "x": {keyword: "http://y/", "$defs": asked["$defs"], "allOf": [{"$ref": asked["$ref"]}]}
        },
        "$defs": {f"a{n}": {} for n in range(steps + 1)},
    }


UNCLEAR_PATTERNS = [
    "^[[ab]*a[[ab]{3000}$",
    "^[[ab]*a[ab]{3000}c$",
    "(?x)^[ab]*a[ab]{ 3000 }$",
    "(?x)^[ab]*a#[\n[ab]{3000}",
    "^[]a]{3000}$",
    "[^]",
    "[^]a]{3000}",
    "[[:alpha:]]",
    "a{,3000}",
    "a{",
    "{a}",
    "(?#a)b",
    "(?=a)",
    r"\p{" * 900,
    r"\p{L",
    r"\b{start}a",
    "a[b",
    "a\\",
]
"""Each is read in another way by another library or draft, or by nobody."""
MANY_ALTERNATIVES = {"anyOf": [{"pattern": "|" * 122} for _ in range(1_900)]}
LARGE_NUMBERS: list[dict[str, Any]] = [
    {"required": [2**63 + n for n in range(9_000)]},
    {"required": [2**64 + n for n in range(4_000)]},
    {"type": [2**64 + n for n in range(4_000)]},
    {"properties": {"a": {"dependentRequired": {"b": [-(2**64) - n for n in range(4_000)]}}}},
    {"$schema": "http://json-schema.org/draft-04/schema#", "enum": [2**64 + n for n in range(4_000)]},
]
"""The library asks of each list that it repeats nothing, and compares such numbers one by one."""
LOOK_AROUND = "(?!x)(a|a)*(a|a)*(a|a)*(a|a)*$"
BACK_REFERENCE = r"(a+)+\1$"
DOUBLING_EXPRESSION = "data.x" + "[].[@,@][]" * 18
"""186 characters; 262,144 items from one."""
TOO_LONG_EXPRESSION = "a" + "||a" * 20_000
"""60,001 characters."""
DEEP_EXPRESSIONS = ["(" * 900, "!" * 900]
HOSTILE_TEMPLATES = ["{{ data.l|tojson(indent=1000000000)|length }}", "{{ data.l" + "|tojson" * 24 + " }}"]
"""The first asked for a gigabyte of blanks; the second doubled every backslash 24 times."""
