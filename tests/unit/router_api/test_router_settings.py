"""The router's settings: what makes no sense is refused with a sentence that names the variable."""

import pytest

from tocsin.router.__main__ import run
from tocsin.router.settings import RouterSettings
from tocsin.runtime import SettingsInvalid, read_settings

NEEDED = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
    "DATABASE_URL": "postgresql://user@127.0.0.1/tocsin",
    "ROUTER_HASH_KEYS": f"h1:{'h' * 32}",
}
SECRET = "s" * 32


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> RouterSettings:
    for name in ("PUBLIC_URL", "ROUTER_UNSUBSCRIBE_KEYS", "LANES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**NEEDED, **variables}.items():
        monkeypatch.setenv(name, value)
    return read_settings(RouterSettings)


def test_keys_are_read_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = f"new:{SECRET}:x, old:{SECRET}"
    settings = read(monkeypatch, PUBLIC_URL="https://n.example.com/", ROUTER_UNSUBSCRIBE_KEYS=keys)
    assert [(key.id, key.secret) for key in settings.signing_keys] == [
        ("new", f"{SECRET}:x"),
        ("old", SECRET),
    ]
    assert settings.public_url == "https://n.example.com"
    assert SECRET not in repr(settings)


def test_little_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch)
    assert (settings.public_url, settings.signing_keys) == (None, [])
    assert len(settings.lanes) == 3


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"PUBLIC_URL": "https://n.example.com"}, "ROUTER_UNSUBSCRIBE_KEYS"),
        ({"PUBLIC_URL": "n.example.com"}, "PUBLIC_URL is not valid"),
        ({"ROUTER_UNSUBSCRIBE_KEYS": "k:short"}, "ROUTER_UNSUBSCRIBE_KEYS is not valid: a secret has"),
        ({"ROUTER_UNSUBSCRIBE_KEYS": SECRET}, "ROUTER_UNSUBSCRIBE_KEYS is not valid"),
        ({"ROUTER_UNSUBSCRIBE_KEYS": f"k:{SECRET},k:{SECRET}"}, "each id once"),
        ({"ROUTER_HASH_KEYS": ""}, "ROUTER_HASH_KEYS is not valid: write one key, or two"),
        ({"ROUTER_HASH_KEYS": f"a:{SECRET},b:{SECRET},c:{SECRET}"}, "write one key, or two"),
        ({"ROUTER_HASH_KEYS": "k:short"}, "ROUTER_HASH_KEYS is not valid: a secret has"),
        ({"ROUTER_HASH_KEYS": f"k.1:{SECRET}"}, "ROUTER_HASH_KEYS is not valid: write id:secret"),
        ({"LANES": "express"}, "LANES is not valid"),
        ({"ROUTER_SECOND_PREFIX": "tocsin."}, "ROUTER_SECOND_PREFIX is KAFKA_TOPIC_PREFIX"),
        ({"ROUTER_SECOND_PREFIX": "a b"}, "ROUTER_SECOND_PREFIX is not valid"),
    ],
)
def test_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        read(monkeypatch, **variables)
    assert len(refused.value.faults) == 1
    assert says in refused.value.faults[0]
    assert SECRET not in refused.value.faults[0]


def test_help_names_the_roles_and_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    for word in ("api", "worker", "all", "migrate", "ROUTER_UNSUBSCRIBE_KEYS", "PUBLIC_URL", "DATABASE_URL"):
        assert word in shown


@pytest.mark.parametrize("arguments", [["sing"], ["api", "worker"], ["migrate", "now"]])
def test_other_arguments_are_refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run(arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
