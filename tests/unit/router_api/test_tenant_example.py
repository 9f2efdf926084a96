"""The page that tells an operator to change a tenant's limits shows a request that wipes nothing else."""

import re
from pathlib import Path

import msgspec

from tocsin.router.api.tenants import OperatedTenantWrite

PAGE = Path(__file__).parents[3] / "docs/problems/rate_limited.md"


def test_the_example_names_every_setting() -> None:
    example = re.search(r"--json '(\{.*?\})'\n```", PAGE.read_text(), re.DOTALL)
    assert example is not None
    settings = msgspec.json.decode(example[1])
    assert settings.keys() == OperatedTenantWrite.model_fields.keys()
    assert OperatedTenantWrite.model_validate(settings).limits is not None
