"""Each dispatcher's README says every field of its providers file, and its example is one that works; each adapter passes the shared suite."""

import json
import re
import tomllib
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from tocsin.channel import InstanceConfig, ProviderKind
from tocsin.dispatch_chat.settings import KINDS as CHAT
from tocsin.dispatch_email.settings import KINDS as EMAIL
from tocsin.dispatch_inapp.settings import KINDS as INAPP
from tocsin.dispatch_push.settings import KINDS as PUSH
from tocsin.dispatch_sms.settings import KINDS as SMS
from tocsin.testing.provider_suite import ProviderSuite

SERVICES = Path(__file__).parents[3] / "services"
KINDS: dict[str, Mapping[str, ProviderKind[Any]]] = {
    "dispatch-email": EMAIL,
    "dispatch-sms": SMS,
    "dispatch-push": PUSH,
    "dispatch-chat": CHAT,
    "dispatch-inapp": INAPP,
}
every_kind = pytest.mark.parametrize(
    ("service", "name", "kind"),
    [(service, name, kind) for service, kinds in KINDS.items() for name, kind in kinds.items()],
)


def example_and_table(service: str, kind: str) -> tuple[str, str]:
    """The README's example of an instance of this kind, and the table of fields after it."""
    for part in (SERVICES / service / "README.md").read_text().split("```toml\n")[1:]:
        example, _, rest = part.partition("```")
        if f'kind = "{kind}"' in example:
            return example, rest.partition("| field | default |")[2].partition("\n\n")[0]
    raise AssertionError(f"{service}'s README has no example of an instance of kind {kind}")


@every_kind
def test_the_readme_lists_every_field_with_its_default(
    service: str, name: str, kind: ProviderKind[Any]
) -> None:
    _, table = example_and_table(service, name)
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.MULTILINE))
    config: type[InstanceConfig] = kind.config
    assert rows.keys() == config.model_fields.keys()
    for option, field in config.model_fields.items():
        if isinstance(field.default, bool):
            assert rows[option] == f"`{str(field.default).lower()}`", option
        elif isinstance(field.default, str | int | float):
            assert rows[option] == f"`{field.default}`", option
        elif field.default is PydanticUndefined and field.default_factory is None:
            assert rows[option] == "required", option


@every_kind
def test_the_readmes_example_is_complete(service: str, name: str, kind: ProviderKind[Any]) -> None:
    example, _ = example_and_table(service, name)
    (entry,) = tomllib.loads(example)["providers"]
    required = {option for option, field in kind.config.model_fields.items() if field.is_required()}
    assert required <= entry.keys() <= kind.config.model_fields.keys(), json.dumps(entry)


@every_kind
def test_the_shared_suite_runs_over_it(service: str, name: str, kind: ProviderKind[Any]) -> None:
    tests = import_module(f"tests.integration.{service.replace('-', '_')}.test_{name}_provider")
    suites = [
        item for label, item in vars(tests).items() if label.startswith("Test") and isinstance(item, type)
    ]
    assert any(issubclass(suite, ProviderSuite) for suite in suites), kind


def test_the_page_about_providers_says_what_a_second_send_does_and_which_have_far_ends() -> None:
    names = {
        "smtp": "mail servers",
        "ses": "SES",
        "sendgrid": "SendGrid",
        "mailgun": "Mailgun",
        "postmark": "Postmark",
        "twilio": "Twilio",
        "vonage": "Vonage",
        "aws_sms": "AWS End User Messaging",
        "sns": "SNS",
        "fcm": "FCM",
        "apns": "APNs",
        "webpush": "Web Push",
        "slack": "Slack",
        "slack_webhook": "Slack webhooks",
        "teams": "Teams workflows",
        "inbox": "inboxes",
    }
    page = (SERVICES.parent / "docs" / "providers.md").read_text()
    rows = dict(re.findall(r"^\| `(once|collapse|none)` \|.*\| (.*) \|$", page, re.MULTILINE))
    kinds = {name: kind for of_channel in KINDS.values() for name, kind in of_channel.items()}
    assert names.keys() == kinds.keys()
    for name, kind in kinds.items():
        assert names[name] in rows[kind.idempotency], name
        adapter = kind.create.func if isinstance(kind.create, partial) else kind.create
        assert hasattr(adapter, "far_end") == (name in {"webpush", *CHAT}), (
            f"{name}: docs/providers.md says that Web Push and chats alone have far ends"
        )
