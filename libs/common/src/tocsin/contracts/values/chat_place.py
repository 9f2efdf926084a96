"""What a place in a chat is: its id, the way that leads there, and its address. All are kept as written.

An address of kind `slack_webhook` or `teams` is a URL that carries its own authority, so no sentence here repeats one. Whether it leads to its provider is
asked before each call: what else may be called is the operator's to say, and only the dispatcher knows.
"""

import re
from typing import Final

from tocsin.contracts.recipients import ChatPlace
from tocsin.contracts.values.identifier import is_path_segment
from tocsin.contracts.values.refusal import ValueRefused
from tocsin.contracts.values.text import is_line
from tocsin.contracts.vocabulary import ChatKind, Reason

LONGEST_ID: Final = 128
LONGEST_ADDRESS: Final = 2048
LONGEST_KIND: Final = 32
_ID_RULE: Final = f"Not the id of a place. It has 1 to {LONGEST_ID} characters, no control characters, and is not `.` or `..`"
_ADDRESS_RULE: Final = (
    f"Not an address. It has 1 to {LONGEST_ADDRESS} characters of ASCII, no blanks and no control characters"
)
_KIND_RULE: Final = "Not a kind of chat. Write `slack`, `slack_webhook`, `teams`, or up to 32 of `a-z`, `0-9`, `_` and `-`, a letter first"
_ADDRESS: Final = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_ADDRESS}}}").fullmatch
_KIND: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}").fullmatch
_SLACK_ID: Final = re.compile(r"[CDGUW][A-Z0-9]{1,63}").fullmatch
"""Slack's documentation gives examples and no length (`Conversations API`, `User types`): channels C and G, conversations D, people U and W."""
_SLACK_RULE: Final = "Not an id of Slack. Send that of the channel or person, such as `C024BE91L`: Slack shows it at the end of “About”"
_WEBHOOK: Final = re.compile(r"https?://[a-z0-9.:\[\]-]+/[\x21-\x7e]+").fullmatch
_WEBHOOK_RULE: Final = (
    "Not the URL of a webhook. Send it whole, as the chat shows it, with `https://` and its path"
)
_SANDBOX: Final = "sandbox-"
"""What the sandbox's special addresses begin with, of whichever kind."""


def judge_chat_place(place: ChatPlace) -> None:
    """Raises ValueRefused, with a pointer to the field, for the first field that is refused."""
    field = "id"
    try:
        place_id(place.id)
        field = "kind"
        chat_kind(place.kind)
        field = "address"
        address_of_kind(chat_address(place.address), place.kind)
    except ValueRefused as refused:
        raise refused.below(f"/{field}") from None


def place_id(text: str) -> str:
    """The id. Raises ValueRefused."""
    if not (1 <= len(text) <= LONGEST_ID and is_line(text) and is_path_segment(text)):
        raise ValueRefused(Reason.CHAT_INVALID, _ID_RULE)
    return text


def chat_kind(text: str) -> str:
    """The word for the way that leads there. Raises ValueRefused."""
    if not _KIND(text):
        raise ValueRefused(Reason.CHAT_INVALID, _KIND_RULE)
    return text


def chat_address(text: str) -> str:
    """An address of whichever kind. Raises ValueRefused."""
    if not _ADDRESS(text):
        raise ValueRefused(Reason.CHAT_INVALID, _ADDRESS_RULE)
    return text


def address_of_kind(address: str, kind: str) -> str:
    """The address, in the form that the kind's have. Raises ValueRefused."""
    if address.startswith(_SANDBOX):
        return address
    match kind:
        case ChatKind.SLACK if not _SLACK_ID(address):
            raise ValueRefused(Reason.CHAT_INVALID, _SLACK_RULE)
        case ChatKind.SLACK_WEBHOOK | ChatKind.TEAMS if not _WEBHOOK(address):
            raise ValueRefused(Reason.CHAT_INVALID, _WEBHOOK_RULE)
    return address
