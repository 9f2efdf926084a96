"""The steps of a workflow as callers write them: as a list of steps, or in short as a list of channels."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from tocsin.contracts.vocabulary import DEFAULT_TEMPLATE, ONLY_STEP, Channel
from tocsin.router.api.fields import EACH_ONCE, ChannelWord, Name, distinct
from tocsin.web import RequestBody

MOST_STEPS: Final = 20

Channels = Annotated[
    list[Channel], Field(min_length=1, json_schema_extra=EACH_ONCE), AfterValidator(distinct)
]


def _known_kind(value: Any) -> Any:
    if value != "send":
        raise PydanticCustomError("step_kind_unknown", "This kind of step does not exist. Write `send`")
    return value


def _distinct_names(steps: list["Step"]) -> list["Step"]:
    names = [step.name for step in steps]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise PydanticCustomError(
                "step_name_repeated",
                "Step {index} has the name of an earlier one. Give each step a name of its own",
                {"index": index},
            )
    return steps


class Step(RequestBody):
    """A message on one or more channels."""

    name: Name = Field(description="Unique in the workflow. It stands in the ids of deliveries, so keep it")
    kind: Annotated[Literal["send"], BeforeValidator(_known_kind)] = Field(
        description="`send` is the only kind"
    )
    channels: Channels = Field(description="The message goes out on all of them")
    template: Name = Field(
        default=DEFAULT_TEMPLATE, description="The name of the templates that it is written with"
    )


class StoredStep(BaseModel):
    """A step as stored."""

    name: str
    kind: str = Field(json_schema_extra={"x-known-values": ["send"]})
    channels: list[ChannelWord]
    template: str


Steps = Annotated[list[Step], Field(min_length=1, max_length=MOST_STEPS), AfterValidator(_distinct_names)]


def require_one_form(channels: Sequence[Channel] | None, steps: Sequence[Step] | None) -> None:
    """Return when a workflow has either `channels` or `steps`."""
    if channels is not None and steps is not None:
        raise PydanticCustomError(
            "steps_and_channels", "A workflow has either `channels` or `steps`. Remove one of the two"
        )
    if channels is None and steps is None:
        raise PydanticCustomError(
            "steps_missing", "A workflow needs `channels` or `steps`. Add one of the two"
        )


def stored_steps(channels: Sequence[Channel] | None, steps: Sequence[Step] | None) -> list[dict[str, Any]]:
    """The steps as the table holds them, from the form that was given."""
    return [step.model_dump(mode="json") for step in steps or [_only_step(channels or ())]]


def _only_step(channels: Iterable[Channel]) -> Step:
    return Step(name=ONLY_STEP, kind="send", channels=list(channels))


def short_form(steps: Sequence[StoredStep]) -> list[ChannelWord] | None:
    """The channels, if a list of channels says all that these steps say."""
    channels = steps[0].channels
    only = StoredStep(name=ONLY_STEP, kind="send", channels=channels, template=DEFAULT_TEMPLATE)
    return channels if list(steps) == [only] else None


def channels_of(stored: Iterable[dict[str, Any]]) -> set[str]:
    """Every channel that one of the stored steps sends on."""
    return {channel for step in stored for channel in step["channels"]}
