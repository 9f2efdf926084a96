"""How a process starts, waits, tells its health, and ends."""

from tocsin.runtime.clock import Clock, SystemClock
from tocsin.runtime.component import Component, FunctionComponent, every
from tocsin.runtime.errors import OperatorError, ServiceHalted, find_cause, leaves
from tocsin.runtime.failpoints import NO_FAILPOINTS, Failpoints, PrefixedFailpoints, arm
from tocsin.runtime.health import Check, Health
from tocsin.runtime.http import HttpSettings
from tocsin.runtime.http_limits import BODIES_BYTES, REFUSED, HttpLimits, Refused
from tocsin.runtime.loop_slice import LoopSlice
from tocsin.runtime.main import Api, LaneSettings, Service, ServiceSettings, Shards, main
from tocsin.runtime.secret_lists import KEY_ID, SECRET_CHARS, SecretList, key_parts
from tocsin.runtime.setting_facts import About, Unwise
from tocsin.runtime.settings import (
    Advice,
    CommaList,
    Lanes,
    Networks,
    Settings,
    SettingsInvalid,
    read_settings,
)
from tocsin.runtime.settings_advice import advice_on, unknown_variables, variables_of
from tocsin.runtime.settings_loading import advice_beside, load_settings
from tocsin.runtime.settings_table import SettingRow, settings_markdown, settings_table, settings_text
from tocsin.runtime.waiting import retry_until_available

__all__ = [
    "BODIES_BYTES",
    "KEY_ID",
    "NO_FAILPOINTS",
    "REFUSED",
    "SECRET_CHARS",
    "About",
    "Advice",
    "Api",
    "Check",
    "Clock",
    "CommaList",
    "Component",
    "Failpoints",
    "FunctionComponent",
    "Health",
    "HttpLimits",
    "HttpSettings",
    "LaneSettings",
    "Lanes",
    "LoopSlice",
    "Networks",
    "OperatorError",
    "PrefixedFailpoints",
    "Refused",
    "SecretList",
    "Service",
    "ServiceHalted",
    "ServiceSettings",
    "SettingRow",
    "Settings",
    "SettingsInvalid",
    "Shards",
    "SystemClock",
    "Unwise",
    "advice_beside",
    "advice_on",
    "arm",
    "every",
    "find_cause",
    "key_parts",
    "leaves",
    "load_settings",
    "main",
    "read_settings",
    "retry_until_available",
    "settings_markdown",
    "settings_table",
    "settings_text",
    "unknown_variables",
    "variables_of",
]
