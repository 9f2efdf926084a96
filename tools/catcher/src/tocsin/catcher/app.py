"""Puts the parts together and runs them until told to stop."""

import asyncio
import json
import logging
import signal
import socket
from datetime import UTC, datetime
from types import FrameType

import httpx
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr

from .api import messages_api, timelines_api
from .apns import ApnsEndpoint
from .aws_sms import AwsSmsEndpoint
from .chat_endpoints import chat_endpoints
from .endpoints import add_provider_endpoints
from .fcm import FcmEndpoint
from .google_oauth import TokenEndpoint
from .http2_server import open_http2
from .mail_endpoints import add_mail_endpoints
from .mailbox import Mailbox
from .mailgun import MailgunEndpoint
from .page_files import add_page
from .postmark import PostmarkEndpoint
from .receipts import Receipts
from .receipts.providers import tellers
from .sendgrid import SendGridEndpoint
from .service_account import replace_file
from .ses import SesEndpoint
from .settings import CatcherSettings
from .slack import SlackEndpoint
from .sms_endpoints import sms_endpoints
from .smtp import MailCatcher, open_smtp
from .stream import stream_api
from .teams import TeamsEndpoint
from .timelines import EntryFinder, Timelines
from .twilio import TwilioEndpoint
from .vonage import VonageEndpoint
from .webhook import WebhookEndpoint
from .webpush import WebPushEndpoint

_SHUTDOWN_SECONDS = 3
log = logging.getLogger("tocsin.catcher")


def catcher_app(settings: CatcherSettings, *, mailbox: Mailbox, client: httpx.AsyncClient) -> FastAPI:
    """The HTTP side: page, API, and the endpoints for requests that have a provider's shape."""
    app = FastAPI(title="Tocsin catcher", docs_url=None, redoc_url=None, openapi_url=None)
    entries = EntryFinder(
        url=settings.entry_url, api_key=_shown(settings.api_key), endpoints_file=settings.endpoints_file
    )
    tokens = TokenEndpoint(account_file=settings.fcm_account_file, now=utc_now)
    add_provider_endpoints(
        app,
        twilio=TwilioEndpoint(
            mailbox=mailbox,
            account_sid=settings.twilio_account_sid,
            auth_token=_shown(settings.twilio_auth_token),
            now=utc_now,
        ),
        tokens=tokens,
        fcm=FcmEndpoint(mailbox=mailbox, tokens=tokens, project=settings.fcm_project, now=utc_now),
        webpush=WebPushEndpoint(mailbox=mailbox, now=utc_now),
        webhook=WebhookEndpoint(mailbox=mailbox, secret=_shown(settings.webhook_secret), now=utc_now),
    )
    add_mail_endpoints(
        app,
        ses=SesEndpoint(
            mailbox=mailbox,
            access_key_id=settings.aws_access_key_id,
            secret=_shown(settings.aws_secret_access_key),
            now=utc_now,
        ),
        sendgrid=SendGridEndpoint(mailbox=mailbox, api_key=_shown(settings.sendgrid_api_key), now=utc_now),
        mailgun=MailgunEndpoint(
            mailbox=mailbox,
            domain=settings.mailgun_domain,
            api_key=_shown(settings.mailgun_api_key),
            now=utc_now,
        ),
        postmark=PostmarkEndpoint(
            mailbox=mailbox, server_token=_shown(settings.postmark_server_token), now=utc_now
        ),
    )
    vonage = VonageEndpoint(
        mailbox=mailbox,
        application_id=settings.vonage_application_id,
        public_key_file=settings.vonage_public_key_file,
        now=utc_now,
    )
    aws = AwsSmsEndpoint(
        mailbox=mailbox,
        access_key_id=settings.aws_access_key_id,
        secret_access_key=_shown(settings.aws_secret_access_key),
        now=utc_now,
    )
    app.include_router(sms_endpoints(vonage=vonage, aws=aws))
    slack = SlackEndpoint(mailbox=mailbox, bot_token=_shown(settings.slack_bot_token), now=utc_now)
    teams = TeamsEndpoint(mailbox=mailbox, now=utc_now)
    app.include_router(chat_endpoints(slack=slack, teams=teams))
    timelines = Timelines(entries=entries, client=client)
    receipts = Receipts(client=client, tellers=tellers(settings, now=utc_now))
    app.include_router(messages_api(mailbox, receipts=receipts))
    app.include_router(timelines_api(mailbox, timelines=timelines, entries=entries))
    app.include_router(stream_api(mailbox))
    add_page(app)
    return app


class _Server(uvicorn.Server):
    """Ends its live streams when told to stop, and does not raise the signal again: a wanted end is exit code 0."""

    def __init__(self, config: uvicorn.Config, *, mailbox: Mailbox) -> None:
        super().__init__(config)
        self._mailbox = mailbox
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 uvicorn's hook
        self.force_exit = self.should_exit  # a second signal ends at once
        self.should_exit = True
        log.info("Stopping on %s.", signal.Signals(sig).name)
        self._loop.call_soon_threadsafe(self._mailbox.close)


async def run(settings: CatcherSettings) -> None:
    """Listens, writes the ports file, serves until SIGTERM or SIGINT. Raises OSError when a port is taken."""
    mailbox = Mailbox(keep=settings.keep)
    catcher = MailCatcher(mailbox=mailbox, now=utc_now)
    smtp = await open_smtp(
        host=settings.smtp_host,
        port=settings.smtp_port,
        catcher=catcher,
        username=settings.smtp_username,
        password=_shown(settings.smtp_password),
    )
    apns = ApnsEndpoint(mailbox=mailbox, key_file=settings.apns_key_file, now=utc_now)
    http2 = await open_http2(host=settings.http_host, port=settings.apns_port, answer=apns.answer)
    http = _listening(settings.http_host, settings.http_port)
    ports = {
        "http": http.getsockname()[1],
        "smtp": smtp.sockets[0].getsockname()[1],
        "apns": http2.sockets[0].getsockname()[1],
    }
    try:
        async with httpx.AsyncClient(timeout=5) as client:
            app = catcher_app(settings, mailbox=mailbox, client=client)
            config = uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
                lifespan="off",
            )
            server = _Server(config, mailbox=mailbox)
            if settings.ports_file is not None:
                replace_file(settings.ports_file, json.dumps(ports) + "\n", mode=0o644)
            log.info(
                "Page on http://%s:%d, SMTP on port %d.", settings.http_host, ports["http"], ports["smtp"]
            )
            await server.serve(sockets=[http])
    finally:
        smtp.close()
        http2.close()
        http.close()


def utc_now() -> datetime:
    """The time of day, with its zone."""
    return datetime.now(UTC)


def _listening(host: str, port: int) -> socket.socket:
    """Already listening, so that whoever reads the ports file may connect at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=256)


def _shown(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
