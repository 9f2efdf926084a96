"""The `api` role's application, from its parts."""

from collections.abc import Sequence
from typing import Final

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.middleware import Middleware

from tocsin.router.address_hashes import AddressHashes
from tocsin.router.api import (
    api_keys,
    categories,
    devices,
    inbox_keys,
    me,
    preferences,
    previews,
    recipients,
    suppressions,
    templates,
    tenants,
    unsubscribe,
    webhook_endpoints,
    workflows,
)
from tocsin.router.api.answer_in_force import AnswerInForce, describe_in_force
from tocsin.router.api.inbox_key_directory import InboxKeyDirectory
from tocsin.router.api.slashes import EncodedSlashes
from tocsin.router.in_force import ChangesInForce
from tocsin.router.tokens import UnsubscribeTokens
from tocsin.router.trials import Trials
from tocsin.runtime import BODIES_BYTES, Clock, Health, SystemClock
from tocsin.runtime.outgoing import AllowedTargets
from tocsin.trust import Seal
from tocsin.web import (
    BringUpToNow,
    KeyTable,
    Network,
    RecipientGate,
    let_other_origins_call,
    nothing_newer,
    service_app,
)

ONE_CLICK_BYTES: Final = 4096
"""Largest body at `/u/…`, where no key is asked for: a mail program's form, or none."""
OWN_BYTES: Final = 384 * 1024
"""The same at `/v1/me/…`, where a recipient's token is asked for once the body is there: as many preferences as `MyPreferencesWrite` takes,
with the longest names."""
OF_RECIPIENTS: Final = "/v1/me/"


def create_app(
    *,
    engine: AsyncEngine | None = None,
    keys: KeyTable | None = None,
    bring_up_to_now: BringUpToNow = nothing_newer,
    trusted_proxies: Sequence[Network] = (),
    max_bodies_bytes: int = BODIES_BYTES,
    health: Health | None = None,
    clock: Clock | None = None,
    tokens: UnsubscribeTokens | None = None,
    hashes: AddressHashes | None = None,
    public_url: str | None = None,
    changes: ChangesInForce | None = None,
    trials: Trials | None = None,
    seal: Seal | None = None,
    allowed_targets: AllowedTargets | None = None,
) -> FastAPI:
    """The directory over HTTP. Without arguments it can be described (OpenAPI), not called.

    `changes` knows when a change is in force; without it every change is answered at once, as if it were. `public_url` is where recipients reach `/u/…`; without it only `required` categories can be saved.
    """
    app = service_app(
        name="router",
        health=health or Health(service="router"),
        summary="The directory: recipients, preferences, suppressions, categories, workflows, templates, tenants and API keys.",
        keys=keys,
        bring_up_to_now=bring_up_to_now,
        trusted_proxies=trusted_proxies,
        max_bodies_bytes=max_bodies_bytes,
        public={"/u/": ONE_CLICK_BYTES, OF_RECIPIENTS: OWN_BYTES},
    )
    app.add_middleware(EncodedSlashes)
    app.state.engine = engine
    app.state.seal = seal or Seal([])
    app.state.clock = clock or SystemClock()
    app.state.allowed_targets = allowed_targets or AllowedTargets()
    _let_recipients_in(app)
    app.state.tokens = tokens or UnsubscribeTokens([])
    app.state.hashes = hashes
    app.state.public_url = public_url
    app.state.changes = changes
    app.state.trials = trials or Trials()
    if changes is not None:
        # At the end of the list, so that request ids, metrics and traces are around it.
        app.user_middleware.append(Middleware(AnswerInForce, changes=changes))
    for part in (
        recipients,
        devices,
        preferences,
        categories,
        workflows,
        templates,
        previews,
        suppressions,
        tenants,
        inbox_keys,
        webhook_endpoints,
        api_keys,
        unsubscribe,
        me,
    ):
        app.include_router(part.router)
    describe_in_force(app)
    return app


def _let_recipients_in(app: FastAPI) -> None:
    """By the tokens of their tenants, from the pages that their tenants have named. The clock is the application's."""

    app.state.inbox_key_directory = InboxKeyDirectory(
        engine=lambda: app.state.engine, seal=lambda: app.state.seal, clock=app.state.clock
    )
    app.state.recipient_gate = RecipientGate(
        directory=app.state.inbox_key_directory,
        failures=app.state.gate.failures,
        sources=app.state.gate.sources,
        clock=app.state.clock,
    )
    let_other_origins_call(app, prefixes=(OF_RECIPIENTS,), gate=app.state.recipient_gate)
