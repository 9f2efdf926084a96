"""A trial child whose templates can do what no template can: `cpu`, `memory`, `abort`, `hang`, `touch`, `raise`, `half` or `noise` as the first word of a body.

Tests run it in the place of `tocsin.router.trial_child.child`. It allows one to two seconds of a CPU, so that tests need not wait.
"""

import os
import time
from pathlib import Path
from typing import Any

from tocsin.router.trial_child import child
from tocsin.router.trial_child.programs import PROGRAMS, check_template_of, preview_of


def _misbehave(parts: dict[str, str]) -> None:
    match parts.get("body", "").split():
        case ["cpu", *_]:
            while True:
                pass
        case ["memory", *_]:
            held = [bytearray(2**20) for _ in range(2**14)]
            del held
        case ["abort", *_]:
            os.abort()
        case ["hang", *_]:
            time.sleep(3600)
        case ["touch", *words]:
            Path(" ".join(words)).touch()
            time.sleep(3600)
        case ["raise", *words]:
            raise ZeroDivisionError(words)
        case ["noise", *_]:
            print("noise")  # noqa: T201 - what a library might do
        case _:
            pass


def _preview(template: dict[str, Any], context: dict[str, Any]) -> Any:
    _misbehave(template["parts"])
    return "\ud800" if template["parts"]["body"] == "half" else preview_of(template, context)


def _check(parts: dict[str, str], channel: str, data_schema: Any) -> Any:
    if "when saved" in parts.get("body", ""):
        _misbehave(parts)
    return check_template_of(parts, channel, data_schema)


if __name__ == "__main__":
    child.CPU_SECONDS = 1  # the kernel counts whole seconds, and those of the start besides
    PROGRAMS["preview"], PROGRAMS["check_template"] = _preview, _check
    child.main()
