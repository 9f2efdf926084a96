"""Schemas and expressions that once stopped a process, with the inputs as they were sent. Used wherever such a thing comes in."""

from typing import Any


def doubling_schema(steps: int = 36) -> dict[str, Any]:
    """Each definition asks the next one twice: written out there are 2 to the power of `steps`."""
    halves = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(steps)}
    return {"$ref": "#/$defs/a0", "$defs": {**halves, f"a{steps}": {"type": "object"}}}


DOUBLING_SCHEMA = doubling_schema()
LOOK_AROUND = "(?!x)(a|a)*(a|a)*(a|a)*(a|a)*$"
BACK_REFERENCE = r"(a+)+\1$"
DOUBLING_EXPRESSION = "data.x" + "[].[@,@][]" * 18
"""186 characters; 262,144 items from one."""
TOO_LONG_EXPRESSION = "a" + "||a" * 20_000
"""60,001 characters."""
DEEP_EXPRESSIONS = ["(" * 900, "!" * 900]
