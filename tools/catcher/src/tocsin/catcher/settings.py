"""The catcher's settings: environment variables that begin with `CATCHER_`."""

import sys
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class CatcherSettings(BaseSettings):
    """Everything has a default: `python -m tocsin.catcher` alone catches mail on a free port."""

    model_config = SettingsConfigDict(env_prefix="CATCHER_", frozen=True, env_ignore_empty=True)

    http_host: str = Field("127.0.0.1", description="address the page and the HTTP endpoints listen on")
    http_port: int = Field(0, ge=0, le=65535, description="their port; 0 takes a free one")
    smtp_host: str = Field("127.0.0.1", description="address the SMTP server listens on")
    smtp_port: int = Field(0, ge=0, le=65535, description="its port; 0 takes a free one")
    smtp_username: str | None = Field(None, description="when set, SMTP senders must log in with this name")
    smtp_password: SecretStr | None = Field(None, description="and with this password")
    ports_file: Path | None = Field(
        None, description="where the ports taken are written, as JSON, once listening"
    )
    sendgrid_api_key: SecretStr | None = Field(
        None, description="the one API key the SendGrid endpoint knows"
    )
    mailgun_domain: str | None = Field(None, description="the one domain the Mailgun endpoint knows")
    mailgun_api_key: SecretStr | None = Field(None, description="its key")
    postmark_server_token: SecretStr | None = Field(
        None, description="the one server token the Postmark endpoint knows"
    )
    twilio_account_sid: str | None = Field(None, description="the one account the Twilio endpoint knows")
    twilio_auth_token: SecretStr | None = Field(None, description="its auth token")
    vonage_application_id: str | None = Field(
        None, description="the one application the Vonage endpoint knows"
    )
    vonage_public_key_file: Path | None = Field(None, description="its public key (PEM)")
    aws_access_key_id: str | None = Field(
        None, description="the one access key the endpoints of SES, End User Messaging and SNS know"
    )
    aws_secret_access_key: SecretStr | None = Field(None, description="its secret")
    fcm_account_file: Path | None = Field(
        None, description="service account the FCM endpoint trusts; may be written after the start"
    )
    fcm_project: str | None = Field(None, description="project pushes go to; the account's own when not set")
    apns_port: int = Field(0, ge=0, le=65535, description="port of the APNs endpoint; 0 takes a free one")
    apns_key_file: Path | None = Field(
        None, description="signing key the APNs endpoint trusts; may be written after the start"
    )
    slack_bot_token: SecretStr | None = Field(None, description="the one bot that Slack's endpoint knows")
    mail_callback_url: str | None = Field(
        None, description="where it hands over mails that came back, when one is played"
    )
    mail_callback_token: SecretStr | None = Field(None, description="what it shows there")
    callbacks_url: str | None = Field(
        None,
        description="where it plays the receipts of SES, SendGrid, Mailgun, Postmark and AWS SMS: the address before /email and /sms",
    )
    receipt_keys_folder: Path | None = Field(
        None, description="keys with which it plays them and Vonage's; may be written after the start"
    )
    webhook_secret: SecretStr | None = Field(
        None, description="with which webhooks must be signed (`whsec_…`); any are taken when not set"
    )
    entry_url: str | None = Field(None, description="where timelines are asked for")
    api_key: SecretStr | None = Field(None, description="key with scope `read` for that")
    endpoints_file: Path | None = Field(
        None, description="endpoints.json of a local stack: gives entry, key and sample; may come later"
    )
    keep: int = Field(2000, ge=1, description="messages kept; older ones are forgotten")

    @model_validator(mode="after")
    def _pairs_are_whole(self) -> Self:
        pairs = (
            ("smtp_username", "smtp_password"),
            ("mailgun_domain", "mailgun_api_key"),
            ("twilio_account_sid", "twilio_auth_token"),
            ("vonage_application_id", "vonage_public_key_file"),
            ("aws_access_key_id", "aws_secret_access_key"),
            ("mail_callback_url", "mail_callback_token"),
            ("callbacks_url", "receipt_keys_folder"),
            ("entry_url", "api_key"),
        )
        for first, second in pairs:
            if (getattr(self, first) is None) != (getattr(self, second) is None):
                raise ValueError(f"{_variable(first)} and {_variable(second)} must be set together")
        return self


def load_settings() -> CatcherSettings:
    """The settings of this process; a fault ends it with exit code 2 and one sentence per fault on stderr."""
    try:
        return CatcherSettings()
    except ValidationError as refused:
        for fault in refused.errors(include_url=False, include_input=False):
            name = _variable(str(fault["loc"][0])) if fault["loc"] else "The settings"
            print(f"{name}: {fault['msg']}.", file=sys.stderr)
        raise SystemExit(2) from refused


def settings_table() -> str:
    """One line per variable: its name, its default, what it is for."""
    lines = []
    for name, field in CatcherSettings.model_fields.items():
        default = "" if field.default is None else f" (default {field.default})"
        lines.append(f"  {_variable(name):<28} {field.description}{default}")
    return "\n".join(lines)


def _variable(field: str) -> str:
    return f"CATCHER_{field.upper()}"
