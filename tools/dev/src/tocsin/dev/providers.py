"""The dispatchers' provider instances in the local stack: all of them are the catcher's endpoints."""

from collections.abc import Mapping
from pathlib import Path

TWILIO_ACCOUNT = "AC" + "0" * 31 + "1"
TWILIO_TOKEN = "local-stack-token"  # noqa: S105 -- the catcher on loopback, not a secret
MAIL_TOKEN = "local-stack-token-of-mails-that-came-back"  # noqa: S105 -- the same
FCM_PROJECT = "tocsin-local"
SLACK_TOKEN = "xoxb-local-stack"  # noqa: S105 -- the same

Value = str | int | list[str]
Entry = dict[str, Value]


def write_providers(
    folder: Path,
    *,
    catcher: str,
    smtp_port: int,
    fcm_account: Path,
    apns: tuple[str, Path] | None = None,
    callbacks: str | None = None,
) -> None:
    """Writes a file `<channel>.toml` for each channel, with one instance named `catcher`. Chats have `catcher-slack-webhook`, too.

    `apns` is the URL of an endpoint like APNs and the key that it trusts: with it iPhones and browsers have instances, too,
    `catcher-apns` and `catcher-webpush`. The key signs for both. `callbacks` is the address under which the roles that take receipts
    are called, up to the channel: with it the instances of mails and text messages have a table `receipts`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "twilio-token").write_text(TWILIO_TOKEN)
    (folder / "mail-token").write_text(MAIL_TOKEN)
    (folder / "slack-token").write_text(SLACK_TOKEN)
    providers: dict[str, Entry] = {
        "email": {"kind": "smtp", "host": "127.0.0.1", "port": smtp_port, "tls": "none", "helo": "localhost"},
        "sms": {
            "kind": "twilio",
            "base_url": catcher,
            "account_sid": TWILIO_ACCOUNT,
            "auth_token_file": "twilio-token",
        },
        "push": {"kind": "fcm", "base_url": catcher, "service_account_file": str(fcm_account)},
        "chat": {
            "kind": "slack",
            "base_url": f"{catcher}/api",
            "bot_token_file": "slack-token",
            "tenants": ["*"],
        },
        "webhook": {"kind": "webhook"},
        "inapp": {"kind": "inbox"},
    }
    receipts: dict[str, Entry] = {}
    if callbacks is not None:
        providers["sms"]["status_callback"] = f"{callbacks}/sms/callbacks/catcher"
        receipts = {
            "email": {"token_files": ["mail-token"]},
            "sms": {"auth_token_files": ["twilio-token"]},
        }
    for channel, settings in providers.items():
        entry = as_toml({"name": "catcher", **settings}, receipts.get(channel, {}))
        (folder / f"{channel}.toml").write_text(entry)
    webhooks: Entry = {
        "name": "catcher-slack-webhook",
        "kind": "slack_webhook",
        "hosts": ["hooks.slack.com", "127.0.0.1", "localhost"],
    }
    workflows: Entry = {"name": "catcher-teams", "kind": "teams", "hosts": ["127.0.0.1", "localhost"]}
    with (folder / "chat.toml").open("a") as file:
        file.write(as_toml(webhooks) + as_toml(workflows))
    if apns is not None:
        url, key = apns
        iphones: Entry = {
            "name": "catcher-apns",
            "kind": "apns",
            "base_url": url,
            "key_file": str(key),
            "key_id": "CATCHERKEY",
            "team_id": "CATCHERDEV",
            "topic": "com.example.tocsin",
        }
        browsers: Entry = {
            "name": "catcher-webpush",
            "kind": "webpush",
            "vapid_key_file": str(key),
            "subject": "mailto:push@example.com",
        }
        with (folder / "push.toml").open("a") as file:
            file.write(as_toml(iphones) + as_toml(browsers))


def as_toml(settings: Mapping[str, Value], receipts: Mapping[str, Value] | None = None) -> str:
    """One instance; with a table `receipts` where there is something in it."""
    table = f"\n[providers.receipts]\n{_lines(receipts)}" if receipts else ""
    return f"[[providers]]\n{_lines(settings)}{table}"


def _lines(settings: Mapping[str, Value]) -> str:
    return "".join(f"{name} = {_value(value)}\n" for name, value in settings.items())


def _value(value: Value) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, int):
        return str(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
