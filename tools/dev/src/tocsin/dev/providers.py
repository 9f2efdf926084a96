"""The dispatchers' provider instances in the local stack: all of them are the catcher's endpoints."""

from collections.abc import Mapping
from pathlib import Path

TWILIO_ACCOUNT = "AC" + "0" * 31 + "1"
TWILIO_TOKEN = "local-stack-token"  # noqa: S105 -- the catcher on loopback, not a secret
FCM_PROJECT = "tocsin-local"


def write_providers(
    folder: Path,
    *,
    catcher: str,
    smtp_port: int,
    fcm_account: Path,
    apns: tuple[str, Path] | None = None,
) -> None:
    """Writes a file `<channel>.toml` for each channel, with one instance named `catcher`.

    `apns` is the URL of an endpoint like APNs and the key that it trusts: with it iPhones and browsers have instances, too,
    `catcher-apns` and `catcher-webpush`. The key signs for both.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "twilio-token").write_text(TWILIO_TOKEN)
    providers: dict[str, dict[str, str | int]] = {
        "email": {"kind": "smtp", "host": "127.0.0.1", "port": smtp_port, "tls": "none", "helo": "localhost"},
        "sms": {
            "kind": "twilio",
            "base_url": catcher,
            "account_sid": TWILIO_ACCOUNT,
            "auth_token_file": "twilio-token",
        },
        "push": {"kind": "fcm", "base_url": catcher, "service_account_file": str(fcm_account)},
    }
    for channel, settings in providers.items():
        (folder / f"{channel}.toml").write_text(_toml({"name": "catcher", **settings}))
    if apns is not None:
        url, key = apns
        iphones: dict[str, str | int] = {
            "name": "catcher-apns",
            "kind": "apns",
            "base_url": url,
            "key_file": str(key),
            "key_id": "CATCHERKEY",
            "team_id": "CATCHERDEV",
            "topic": "com.example.tocsin",
        }
        browsers: dict[str, str | int] = {
            "name": "catcher-webpush",
            "kind": "webpush",
            "vapid_key_file": str(key),
            "subject": "mailto:push@example.com",
        }
        with (folder / "push.toml").open("a") as file:
            file.write(_toml(iphones) + _toml(browsers))


def _toml(settings: Mapping[str, str | int]) -> str:
    lines = (f"{name} = {_value(value)}" for name, value in settings.items())
    return "\n".join(("[[providers]]", *lines, ""))


def _value(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
