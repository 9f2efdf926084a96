"""The local stack's provider instances: one of each kind, in files that dispatchers and callback roles can use."""

from pathlib import Path

import pytest

from tocsin.catcher.receipts.keys import write_receipt_keys
from tocsin.catcher.receipts.sns import TOPIC
from tocsin.channel.provider_config import read_providers
from tocsin.channel.receivers import read_receivers
from tocsin.dev.local_catcher import LocalCatcher
from tocsin.dispatch_chat.settings import KINDS as CHAT
from tocsin.dispatch_email.callbacks import RECEIPTS as OF_EMAIL
from tocsin.dispatch_email.settings import KINDS as EMAIL
from tocsin.dispatch_push.settings import KINDS as PUSH
from tocsin.dispatch_sms.callbacks import RECEIPTS as OF_SMS
from tocsin.dispatch_sms.settings import KINDS as SMS

ENTRY = "http://127.0.0.1:8080"


@pytest.fixture
def catcher(tmp_path: Path) -> LocalCatcher:
    """Its files as `make up` writes them."""
    local = LocalCatcher(folder=tmp_path, endpoints=tmp_path / "endpoints.json", entry=ENTRY)
    local.write_providers()
    *_, out = local.receipt_keys_command
    write_receipt_keys(Path(out.removeprefix("--out=")))
    return local


@pytest.mark.parametrize(("channel", "kinds"), [("email", EMAIL), ("sms", SMS)])
def test_each_kind_has_an_instance_and_the_first_one_is_asked(
    catcher: LocalCatcher, channel: str, kinds: dict[str, object]
) -> None:
    file = read_providers(catcher.providers / f"{channel}.toml", kinds, {})  # type: ignore[arg-type]
    assert {config.kind for config in file.configs.values()} == kinds.keys()
    assert next(iter(file.configs)) == "catcher"
    assert (file.order, file.weights) == ((), {})


@pytest.mark.parametrize(("channel", "kinds"), [("push", PUSH), ("chat", CHAT)])
def test_each_kind_of_push_and_chat_is_named(
    catcher: LocalCatcher, channel: str, kinds: dict[str, object]
) -> None:
    text = (catcher.providers / f"{channel}.toml").read_text()
    assert all(f'kind = "{kind}"' in text for kind in kinds)


@pytest.mark.parametrize(("channel", "kinds"), [("email", OF_EMAIL), ("sms", OF_SMS)])
def test_each_kind_that_tells_something_is_listened_to(
    catcher: LocalCatcher, channel: str, kinds: dict[str, object]
) -> None:
    configs = read_receivers(catcher.providers / f"{channel}.toml", kinds, {})  # type: ignore[arg-type]
    assert {kind for kind, _ in configs.values()} == kinds.keys()
    others = {name: kind for name, (kind, _) in configs.items() if name != "catcher"}
    assert others == {f"catcher-{kind.replace('_', '-')}": kind for kind in others.values()}


def test_the_catcher_and_the_roles_name_the_same_topic(catcher: LocalCatcher) -> None:
    for channel in ("email", "sms"):
        assert f'topics = ["{TOPIC}"]' in (catcher.providers / f"{channel}.toml").read_text()
