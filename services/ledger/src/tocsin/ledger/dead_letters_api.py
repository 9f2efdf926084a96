"""`/v1/dead-letters`: records that could not be handled, as a list, and one of them whole."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime

from tocsin.ledger.dead_letter_responses import (
    DeadLetterBody,
    DeadLetterPage,
    DeadLetterSourceBody,
    DeadLetterSources,
    WholeDeadLetterBody,
)
from tocsin.ledger.dead_letters import NO_TENANT, DeadLetterReader, LetterFilters, StoredLetter
from tocsin.ledger.known_words import WORDS, one_of
from tocsin.web import (
    Access,
    Caller,
    Paging,
    PagingQuery,
    Previewer,
    Problem,
    Reader,
    admit,
    codes,
    encode_cursor,
)

_OPERATING: Final = Access(scope="operate", live_only=True)


class Order(StrEnum):
    """Which letter stands first."""

    NEWEST = "newest"
    OLDEST = "oldest"


def _word(name: str, description: str) -> Any:
    """A query parameter with known words; any other is refused with the nearest of them."""
    query = Query(description=description, json_schema_extra={"enum": list(WORDS[name])})
    return Annotated[str, one_of(name, WORDS[name]), query]


_Reason: Any = _word("reason", "Why it could not be handled")
_Service: Any = _word("service", "Which service could not handle it")
_Kind: Any = _word("kind", "What the record is: the family of its topic")


Since = Annotated[AwareDatetime | None, Query(description="Stored at this time or later")]
WithoutTenant = Annotated[
    bool,
    Query(
        description="Those that name no tenant that is known, in place of your own; asks for a live key with the scope "
        "`operate` as well"
    ),
]


def dead_letter_routes(reader: DeadLetterReader) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["Dead letters"])

    @router.get("/v1/dead-letters", summary="Find records that could not be handled")
    async def list_dead_letters(
        *,
        request: Request,
        caller: Reader,
        paging: PagingQuery,
        reason: _Reason | None = None,
        service: _Service | None = None,
        source: Annotated[
            str | None, Query(max_length=1024, description="The source of the event, as the producer has it")
        ] = None,
        kind: _Kind | None = None,
        since: Since = None,
        order: Annotated[
            Order, Query(description="`oldest`: go on with `next_cursor` for ever, and no letter is missed")
        ] = Order.NEWEST,
        without_tenant: WithoutTenant = False,
    ) -> DeadLetterPage:
        """The record itself is not shown here: ask for one letter by its id."""
        if without_tenant:
            await admit(request, _OPERATING)
        tenant = NO_TENANT if without_tenant else caller.tenant
        filters = LetterFilters(reason=reason, service=service, source=source, kind=kind, since=since)
        place = paging.number
        if order is Order.OLDEST:
            return _oldest_page(
                await reader.oldest(tenant, filters, after=place, limit=paging.fetch), paging, place
            )
        rows = await reader.newest(tenant, filters, before=place, limit=paging.fetch)
        shown, cursor = paging.page(rows, key=lambda letter: [letter.number])
        return _page(shown, cursor, has_more=cursor is not None)

    @router.get("/v1/dead-letters/by-source", summary="Who sends records that cannot be handled")
    async def list_dead_letter_sources(
        *,
        request: Request,
        caller: Reader,
        reason: _Reason | None = None,
        kind: _Kind | None = None,
        since: Since = None,
        without_tenant: WithoutTenant = False,
    ) -> DeadLetterSources:
        """Among the newest 10,000 that fit, by source and reason: the most first, at most 200."""
        if without_tenant:
            await admit(request, _OPERATING)
        tenant = NO_TENANT if without_tenant else caller.tenant
        rows = await reader.by_source(tenant, LetterFilters(reason=reason, kind=kind, since=since))
        return DeadLetterSources(data=[DeadLetterSourceBody.of(row) for row in rows])

    @router.get("/v1/dead-letters/{dead_letter_id}", summary="One record that could not be handled, whole")
    async def read_dead_letter(dead_letter_id: str, caller: Previewer) -> WholeDeadLetterBody:
        """The record as it was. It may hold addresses, and whatever else its producer sent, so the scope `read` is not enough.
        A letter that names no tenant is shown to a live key that has the scope `operate` as well."""
        letter = await reader.one(_visible_to(caller), _uuid(dead_letter_id))
        if letter is None:
            detail = "Nothing is known of this id: it is too new, too old, or not yours."
            raise Problem(codes.NOT_YET_KNOWN, detail, headers={"retry-after": "1"})
        return WholeDeadLetterBody.of(letter)

    return router


def _visible_to(caller: Caller) -> Sequence[str]:
    operates = "operate" in caller.scopes and not caller.test
    return [caller.tenant, NO_TENANT] if operates else [caller.tenant]


def _oldest_page(rows: Sequence[StoredLetter], paging: Paging, place: int | None) -> DeadLetterPage:
    """With a cursor also where nothing follows yet."""
    shown = rows[: paging.limit]
    last = shown[-1].number if shown else place or 0
    return _page(shown, encode_cursor([last]), has_more=len(rows) > paging.limit)


def _page(letters: Sequence[StoredLetter], cursor: str | None, *, has_more: bool) -> DeadLetterPage:
    data = [DeadLetterBody.of(letter) for letter in letters]
    return DeadLetterPage(data=data, next_cursor=cursor, has_more=has_more)


def _uuid(dead_letter_id: str) -> UUID:
    try:
        return UUID(dead_letter_id)
    except ValueError as error:
        raise Problem(codes.NOT_FOUND, "No dead letter can have this id: ids are UUIDs.") from error
