"""Where the crash note is kept."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import SettingsConfigDict

from tocsin.runtime.setting_facts import About
from tocsin.runtime.settings import Settings


class ProgramSettings(Settings):
    """The same names in every service that runs what tenants write."""

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True)

    crash_notes: Annotated[
        Path | None,
        BeforeValidator(lambda value: value or None),
        About(danger="Without a note, a program that ends the process ends it again at each start"),
    ] = Field(
        default=Path("/tmp/tocsin"),  # noqa: S108 - a few bytes, which only say what this machine's services did last
        validation_alias="CRASH_NOTES",
        description="Folder for the note of what is run, by which a tenant's program that ends a process is refused at the next start; it must outlive the process. Empty: no note",
    )
