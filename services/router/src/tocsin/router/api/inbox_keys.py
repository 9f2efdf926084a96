"""`/v1/tenant/inbox-keys`: with which keys a tenant signs tokens of its recipients, and which web pages may call with them."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, BaseModel, Field, SecretStr
from pydantic_core import PydanticCustomError
from sqlalchemy import RowMapping

from tocsin.observability import get_logger
from tocsin.router.api.fields import EACH_ONCE, distinct
from tocsin.router.api.inbox_key_directory import InboxKeyDirectory, load_inbox_keys
from tocsin.router.api.rows import answer, put_row
from tocsin.router.api.transaction import Db, once_committed
from tocsin.router.changes import note_changed, note_unchanged
from tocsin.router.tables import inbox_keys
from tocsin.runtime import SECRET_CHARS
from tocsin.trust import (
    Algorithm,
    Seal,
    SealBroken,
    SealKeyMissing,
    checked_public_key,
    checked_secret,
)
from tocsin.web import (
    LONGEST_ORIGIN,
    Fault,
    IfMatch,
    Manager,
    Problem,
    Reader,
    RequestBody,
    checked_origin,
    codes,
    sealed_for,
)

log = get_logger(__name__)

router = APIRouter(tags=["Recipients' tokens"])


def _origin(value: str) -> str:
    try:
        return checked_origin(value)
    except ValueError as error:
        raise PydanticCustomError("origin_invalid", "{detail}", {"detail": str(error)}) from None


_NO_SEAL_KEYS: Final = (
    "This installation cannot keep secrets: its operator has to set SEAL_KEYS. Keys of ES256 need none."
)
_SEALED_WITH_ANOTHER: Final = (
    "The secret that is stored was sealed with a key that SEAL_KEYS no longer holds: send the secret again."
)


def _shared(secret: SecretStr) -> SecretStr:
    try:
        checked_secret(secret.get_secret_value())
    except ValueError as error:
        raise PydanticCustomError("key_invalid", "{detail}", {"detail": str(error)}) from None
    return secret


def _p256(pem: str) -> str:
    try:
        return checked_public_key(pem)
    except ValueError as error:
        raise PydanticCustomError("key_invalid", "{detail}", {"detail": str(error)}) from None


Origin = Annotated[
    str, Field(max_length=LONGEST_ORIGIN, examples=["https://shop.example"]), AfterValidator(_origin)
]
KeyId = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="What tokens name it by: their `kid`",
        examples=["2026"],
    ),
]


class InboxKeyWrite(RequestBody):
    """One key."""

    id: KeyId
    algorithm: Algorithm
    secret: (
        Annotated[SecretStr, Field(min_length=SECRET_CHARS, max_length=512), AfterValidator(_shared)] | None
    ) = Field(
        default=None,
        description="Of HS256: the secret that your server signs with. It is stored sealed and never shown again. Without it the key of this "
        "id keeps the secret that it has",
    )
    public_key: Annotated[str, Field(max_length=2000), AfterValidator(_p256)] | None = Field(
        default=None, description="Of ES256: the public key as PEM; the private one stays with your server"
    )


class InboxKeysWrite(RequestBody):
    """All keys, and all origins: what is left out is taken away."""

    keys: Annotated[
        list[InboxKeyWrite],
        Field(max_length=2, description="None: nobody is let in. Two, while you replace one by the other"),
    ]
    origins: Annotated[
        list[Origin], Field(max_length=20, json_schema_extra=EACH_ONCE), AfterValidator(distinct)
    ] = Field(default=[], description="Whose pages a browser lets call with such a token (CORS)")


class InboxKey(BaseModel):
    """A key as stored; of HS256 without its secret."""

    id: str
    algorithm: str
    public_key: str | None = None


class InboxKeys(BaseModel):
    """A tenant's keys and origins."""

    keys: list[InboxKey]
    origins: list[str]
    updated_at: datetime | None = Field(description="Null where nothing was ever saved")


@router.get("/v1/tenant/inbox-keys")
async def read_inbox_keys(caller: Reader, db: Db, response: Response) -> InboxKeys:
    """The keys with which the tenant signs its recipients' tokens, without secrets."""
    return _shown(await load_inbox_keys(db, caller.tenant), response)


@router.put("/v1/tenant/inbox-keys")
async def save_inbox_keys(
    *,
    caller: Manager,
    db: Db,
    request: Request,
    body: InboxKeysWrite,
    response: Response,
    if_match: IfMatch = None,
) -> InboxKeys:
    """Replace the keys. To rotate one, save both, let your server sign with the new one, and save that alone a day later."""
    seal: Seal = request.app.state.seal
    former = await load_inbox_keys(
        db, caller.tenant, for_update=True
    )  # a secret that is kept is the last one
    stored = {key["id"]: key for key in (former or {"keys": []})["keys"]}
    _refuse_faults(body, stored)
    try:
        keys = [_stored(key, stored.get(key.id), caller.tenant, seal) for key in body.keys]
    except SealKeyMissing as error:
        raise Problem(codes.CONFLICT, _SEALED_WITH_ANOTHER if seal.has_keys else _NO_SEAL_KEYS) from error
    except SealBroken as error:
        raise Problem(codes.CONFLICT, "A secret that is stored cannot be opened: send it again.") from error
    values = {"keys": keys, "origins": body.origins}
    row, outcome = await put_row(
        db, inbox_keys, key={"tenant": caller.tenant}, values=values, if_match=if_match
    )
    note = note_unchanged if outcome == "unchanged" else note_changed
    await note(db, "inbox_keys", caller.tenant)
    directory: InboxKeyDirectory = request.app.state.inbox_key_directory
    once_committed(request, lambda: directory.forget(caller.tenant))
    log.info("inbox keys saved", tenant=caller.tenant, key=caller.key_id, keys=[key.id for key in body.keys])
    return _shown(row, response)


def _refuse_faults(body: InboxKeysWrite, stored: dict[str, dict[str, Any]]) -> None:
    faults: list[Fault] = []
    if len({key.id for key in body.keys}) < len(body.keys):
        faults.append(
            Fault(
                pointer="/keys/1/id",
                code="repeated",
                detail="Both keys have this id. Give each one of its own",
            )
        )
    for index, key in enumerate(body.keys):
        needed, other = ("secret", "public_key") if key.algorithm == "HS256" else ("public_key", "secret")
        kept = key.algorithm == "HS256" and "sealed" in stored.get(key.id, {})
        if getattr(key, needed) is None and not kept:
            detail = f"A key of {key.algorithm} needs `{needed}`"
            faults.append(Fault(pointer=f"/keys/{index}/{needed}", code="missing", detail=detail))
        if getattr(key, other) is not None:
            detail = f"A key of {key.algorithm} has no `{other}`. Leave it out"
            faults.append(Fault(pointer=f"/keys/{index}/{other}", code="key_contradicts", detail=detail))
    if faults:
        raise Problem(codes.INVALID_REQUEST, f"{faults[0].detail}.", errors=faults)


def _stored(key: InboxKeyWrite, former: dict[str, Any] | None, tenant: str, seal: Seal) -> dict[str, Any]:
    """The key as the table holds it."""
    if key.algorithm == "ES256":
        return {"id": key.id, "algorithm": key.algorithm, "public_key": key.public_key}
    sealed = (former or {}).get("sealed", "")
    if key.secret is not None:
        sealed = seal.seal(key.secret.get_secret_value(), tenant=tenant, entity=sealed_for(key.id))
    elif not seal.is_current(sealed):  # its seal key is being replaced
        secret = seal.open(sealed, tenant=tenant, entity=sealed_for(key.id))
        sealed = seal.seal(secret, tenant=tenant, entity=sealed_for(key.id))
    return {"id": key.id, "algorithm": key.algorithm, "sealed": sealed}


def _shown(row: RowMapping | None, response: Response) -> InboxKeys:
    answer(response, revision=0 if row is None else row["revision"])
    if row is None:
        return InboxKeys(keys=[], origins=[], updated_at=None)
    return InboxKeys(
        keys=[
            InboxKey(**{name: key[name] for name in InboxKey.model_fields if name in key})
            for key in row["keys"]
        ],
        origins=row["origins"],
        updated_at=row["updated_at"],
    )
