"""Each dispatcher's README says every field of its providers file, and its example is one that works."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from tocsin.channel import InstanceConfig, ProviderKind
from tocsin.dispatch_email.smtp import SMTP
from tocsin.dispatch_push.fcm import FCM
from tocsin.dispatch_sms.twilio import TWILIO

SERVICES = Path(__file__).parents[3] / "services"
ALL = [("dispatch-email", SMTP), ("dispatch-sms", TWILIO), ("dispatch-push", FCM)]


@pytest.mark.parametrize(("service", "kind"), ALL)
def test_the_readme_lists_every_field_with_its_default(service: str, kind: ProviderKind[Any]) -> None:
    table = (SERVICES / service / "README.md").read_text().partition("| field | default |")[2]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.MULTILINE))
    config: type[InstanceConfig] = kind.config
    assert rows.keys() == config.model_fields.keys()
    for name, field in config.model_fields.items():
        if isinstance(field.default, str | int | float):
            assert rows[name] == f"`{field.default}`", name
        elif field.default is PydanticUndefined and field.default_factory is None:
            assert rows[name] == "required", name


@pytest.mark.parametrize(("service", "kind"), ALL)
def test_the_readmes_example_is_complete(service: str, kind: ProviderKind[Any]) -> None:
    example = (SERVICES / service / "README.md").read_text().partition("```toml\n")[2].partition("```")[0]
    (entry,) = tomllib.loads(example)["providers"]
    required = {name for name, field in kind.config.model_fields.items() if field.is_required()}
    assert required <= entry.keys() <= kind.config.model_fields.keys(), json.dumps(entry)
