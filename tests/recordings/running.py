"""A recorded case through the code of today."""

import importlib
from typing import Any

from tests.recordings.recording import STAGES


async def outcome_of(stage: str, case: dict[str, Any], base: Any) -> Any:
    """What comes out of the stage for this case, as its recording holds it."""
    if stage not in STAGES:
        raise LookupError(stage)
    adapter = importlib.import_module(f"tests.recordings.{stage}_adapter")
    return await adapter.run(case, base)
