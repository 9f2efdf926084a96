"""`tocsin keys`: the first key of an installation comes from here, and any other that no API should make."""

import asyncio
import json
from typing import Annotated, get_args

import typer

from tocsin.contracts.directory import Scope
from tocsin.contracts.ids import valid_tenant
from tocsin.router.api import key_store, tenants
from tocsin.router.commands.session import database, refuse
from tocsin.web import KeyParts, Mode, new_key

app = typer.Typer(help="Make API keys.", no_args_is_help=True)

ALL: tuple[Scope, ...] = get_args(Scope)


@app.callback()
def _group() -> None:
    """Make API keys."""


@app.command("create")
def create(  # noqa: PLR0917 - options have names
    tenant: Annotated[str, typer.Option(help="Whose key it is.")] = "default",
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scopes", "--scope", help="send, read, manage, operate; repeated or with commas."),
    ] = None,
    admin: Annotated[bool, typer.Option("--admin", help="All scopes.")] = False,
    mode: Annotated[str, typer.Option(help="live, or test: messages end at the sandbox.")] = "live",
    name: Annotated[str, typer.Option(help="Who uses it; for people.")] = "",
    create_tenant: Annotated[
        bool, typer.Option("--create-tenant", help="Create the tenant if it does not exist.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a key and print it, this one time: only its hash is stored."""
    granted = _scopes(scopes, admin)
    if mode not in get_args(Mode):
        refuse("--mode is live or test.")
    if not valid_tenant(tenant):
        refuse("--tenant has 1 to 63 characters of a-z, 0-9 and -.")
    key = new_key("test" if mode == "test" else "live")
    asyncio.run(_store(key, tenant=tenant, name=name, scopes=granted, create_tenant=create_tenant))
    if as_json:
        shown = {"tenant": tenant, "id": key.id, "mode": mode, "name": name, "scopes": sorted(granted)}
        typer.echo(json.dumps({**shown, "key": key.reveal()}))
    else:
        typer.echo(key.reveal())
        typer.echo(f"For tenant {tenant}, with {', '.join(granted)}. It is shown only now.", err=True)


def _scopes(given: list[str] | None, admin: bool) -> tuple[Scope, ...]:
    if admin:
        return ALL
    named = {name.strip() for value in given or [] for name in value.split(",") if name.strip()}
    if not named:
        refuse(f"Name what the key may do, --scopes {','.join(ALL)}, or --admin for all of it.")
    if unknown := named - set(ALL):
        refuse(f"There is no scope {', '.join(sorted(unknown))}; there are {', '.join(ALL)}.")
    return tuple(scope for scope in ALL if scope in named)


async def _store(
    key: KeyParts, *, tenant: str, name: str, scopes: tuple[Scope, ...], create_tenant: bool
) -> None:
    async with database() as engine, engine.begin() as db:
        if await tenants.load(db, tenant) is None:
            if not create_tenant:
                refuse(f"There is no tenant {tenant}; add --create-tenant to create it.")
            await tenants.create_bare(db, tenant)
        await key_store.add(db, key, tenant=tenant, name=name, scopes=scopes)
