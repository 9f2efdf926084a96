"""What every HTTP surface shares: problems, keys and scopes, paging, ETags, limits, probes and metrics.

A name is loaded when it is first asked for: services without an API answer probes, and need nothing of FastAPI for that. No module here bears the
name of something it holds: Python would show the module under that name once it was loaded.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tocsin.web import codes
    from tocsin.web.app import service_app
    from tocsin.web.auth import (
        KEY_DESCRIPTION,
        SENDING,
        Access,
        Caller,
        Gate,
        KeyTable,
        Manager,
        Operator,
        Previewer,
        Reader,
        Require,
        Sender,
        admit,
        require,
        require_access,
    )
    from tocsin.web.codes import CODES, ProblemCode
    from tocsin.web.cross_origin import let_other_origins_call
    from tocsin.web.etags import IfMatch, etag_of, require_match
    from tocsin.web.failed_authentications import FailedAuthentications
    from tocsin.web.inbox_keys import InboxKeyOpener, InboxKeyTable, sealed_for
    from tocsin.web.keys import KeyParts, Mode, new_key, parse_key
    from tocsin.web.limits import deeper_than
    from tocsin.web.newer_copy import ASK_SPACING, BringUpToNow, nothing_newer, up_to_now
    from tocsin.web.operations import operations_app
    from tocsin.web.origins import LONGEST_ORIGIN, checked_origin
    from tocsin.web.paging import Page, Paging, PagingQuery, decode_cursor, encode_cursor
    from tocsin.web.parameters import judges_texts, takes_any_parameter
    from tocsin.web.plain_posts import Answered, Posted, TakePost
    from tocsin.web.plain_words import in_plain_words
    from tocsin.web.problem import Fault, Problem, ProblemDetails, json_pointer
    from tocsin.web.recipient_gate import RecipientCaller, RecipientGate, TokenDirectory
    from tocsin.web.sources import Network, Sources
    from tocsin.web.values import RequestBody, address_of_its_kind, judged, of_its_kind

_NAMES = {
    "app": ("service_app",),
    "auth": (
        "KEY_DESCRIPTION",
        "SENDING",
        "Access",
        "Caller",
        "Gate",
        "KeyTable",
        "Manager",
        "Operator",
        "Previewer",
        "Reader",
        "Require",
        "Sender",
        "admit",
        "require",
        "require_access",
    ),
    "codes": (
        "CODES",
        "ProblemCode",
    ),
    "cross_origin": ("let_other_origins_call",),
    "etags": (
        "IfMatch",
        "etag_of",
        "require_match",
    ),
    "failed_authentications": ("FailedAuthentications",),
    "inbox_keys": ("InboxKeyOpener", "InboxKeyTable", "sealed_for"),
    "keys": (
        "KeyParts",
        "Mode",
        "new_key",
        "parse_key",
    ),
    "limits": ("deeper_than",),
    "operations": ("operations_app",),
    "origins": ("LONGEST_ORIGIN", "checked_origin"),
    "paging": (
        "Page",
        "Paging",
        "PagingQuery",
        "decode_cursor",
        "encode_cursor",
    ),
    "parameters": (
        "judges_texts",
        "takes_any_parameter",
    ),
    "plain_posts": (
        "Answered",
        "Posted",
        "TakePost",
    ),
    "plain_words": ("in_plain_words",),
    "problem": (
        "Fault",
        "Problem",
        "ProblemDetails",
        "json_pointer",
    ),
    "recipient_gate": (
        "RecipientCaller",
        "RecipientGate",
        "TokenDirectory",
    ),
    "sources": (
        "Network",
        "Sources",
    ),
    "newer_copy": (
        "ASK_SPACING",
        "BringUpToNow",
        "nothing_newer",
        "up_to_now",
    ),
    "values": (
        "RequestBody",
        "address_of_its_kind",
        "judged",
        "of_its_kind",
    ),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "codes":
        return import_module("tocsin.web.codes")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


__all__ = [
    "ASK_SPACING",
    "CODES",
    "KEY_DESCRIPTION",
    "LONGEST_ORIGIN",
    "SENDING",
    "Access",
    "Answered",
    "BringUpToNow",
    "Caller",
    "FailedAuthentications",
    "Fault",
    "Gate",
    "IfMatch",
    "InboxKeyOpener",
    "InboxKeyTable",
    "KeyParts",
    "KeyTable",
    "Manager",
    "Mode",
    "Network",
    "Operator",
    "Page",
    "Paging",
    "PagingQuery",
    "Posted",
    "Previewer",
    "Problem",
    "ProblemCode",
    "ProblemDetails",
    "Reader",
    "RecipientCaller",
    "RecipientGate",
    "RequestBody",
    "Require",
    "Sender",
    "Sources",
    "TakePost",
    "TokenDirectory",
    "address_of_its_kind",
    "admit",
    "checked_origin",
    "codes",
    "decode_cursor",
    "deeper_than",
    "encode_cursor",
    "etag_of",
    "in_plain_words",
    "json_pointer",
    "judged",
    "judges_texts",
    "let_other_origins_call",
    "new_key",
    "nothing_newer",
    "of_its_kind",
    "operations_app",
    "parse_key",
    "require",
    "require_access",
    "require_match",
    "sealed_for",
    "service_app",
    "takes_any_parameter",
    "up_to_now",
]
