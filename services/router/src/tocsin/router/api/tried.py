"""How handlers have what a tenant wrote tried: the turn of a request, and the problems that its faults become."""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import Depends, Request

from tocsin.router.trials import Trials, Turn
from tocsin.web import Fault, Previewer, Problem, codes

Faults = list[tuple[str, str, str]]


async def _turn(caller: Previewer, request: Request) -> AsyncIterator[Turn]:
    trials: Trials = request.app.state.trials
    async with trials.turn(caller.tenant, test=caller.test) as turn:
        yield turn


Tried = Annotated[Turn, Depends(_turn, scope="function")]
"""The turn of the request's tenant: it has one at a time with live keys and one with test keys; a second request is answered 429 `trial_busy`."""


async def template_faults(
    turn: Turn, parts: Mapping[str, str], channel: str, data_schema: Mapping[str, Any] | None, *, pointer: str
) -> Faults:
    """Pointer, code and detail of everything wrong with a template. `pointer` is where it stands, should it exceed the limits."""
    faults: Faults = await turn.run(
        "check_template", pointer=pointer, parts=parts, channel=channel, data_schema=data_schema
    )
    return faults


def refuse_template(faults: Faults) -> None:
    """Raise the problem that lists the faults; return when there is none."""
    if faults:
        raise Problem(
            codes.INVALID_TEMPLATE,
            "The template cannot be used; `errors` says what to change in which part.",
            errors=[Fault(pointer=pointer, code=code, detail=detail) for pointer, code, detail in faults],
        )
