"""The channels: everything that differs between two of them stands in one entry of `CHANNELS`.

Nothing else in `libs` and `services` may name a channel, except the channel's own folder and a short list with reasons in
`tests/unit/structure/test_a_channel_is_one_folder.py`. To add a channel:

1. A word in `vocabulary.Channel`, a struct with its rendered content in `contents`, and here an entry in `CHANNELS`. Topics, groups, ACLs,
   specifications, template parts, sandbox addresses and the local stack's services follow from them (`make contracts`).
2. A folder `services/dispatch-<channel>`: `__main__`, `settings`, one file for each provider. Its name goes into the lists that
   a test holds: `mypy_path`, `.importlinter`, `deploy/`, `requirements/`, the local stack's provider, a workflow of the sample. Its settings are
   called `<Channel>Settings`: `tocsin config check` finds them by that.
3. A test in `tests/integration/dispatch_<channel>` that runs `tocsin.testing.provider_suite` over each provider.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property, reduce
from operator import or_
from typing import TYPE_CHECKING, Any, Final

from tocsin.contracts.actions import (
    CHAT_ACTIONS,
    INBOX_ACTIONS,
    ActionParts,
    has_actions,
)
from tocsin.contracts.address_kinds import (
    CHAT_PLACE,
    DEVICE,
    ENDPOINT,
    MAIL_ADDRESS,
    PHONE_NUMBER,
    RECIPIENT,
    AddressKind,
)
from tocsin.contracts.contents import (
    ChatContent,
    Content,
    EmailContent,
    InappContent,
    PushContent,
    SmsContent,
    WebhookContent,
)
from tocsin.contracts.limits import (
    CHAT_CONTENT_BYTES,
    INBOX_CONTENT_BYTES,
    PUSH_CONTENT_BYTES,
)
from tocsin.contracts.part_forms import LINK, SAFE_LINK, PartForm, text_up_to, whole_number
from tocsin.contracts.push_overrides import PUSH_OVERRIDES
from tocsin.contracts.vocabulary import Channel

OVERRIDES: Final = "overrides."
"""How parts for one provider's kind begin."""


@dataclass(frozen=True, kw_only=True)
class TemplatePart:
    """One part of a channel's templates. The content's field of the same name holds what it renders to."""

    name: str
    required: bool = True
    one_line: bool = False
    """Any run of white space becomes one space."""
    html: bool = False
    """Values are escaped for HTML."""
    trimmed: bool = False
    """White space around it is removed, and something must be left."""
    form: PartForm | None = None
    """What it must render to, on one line; one that is not required may also render to nothing, and is left out then. None: any text."""


@dataclass(frozen=True, kw_only=True)
class ReservedName:
    """A name that named parts may not have, because the message would be refused or changed."""

    name: str
    begins: bool = False
    """No name may begin with it."""
    holder: str
    """Whose name it is."""


class SandboxBehaviour(Enum):
    """What the sandbox does with a message to one of its special addresses."""

    BOUNCE = "refuses the address for good"
    GONE = "says that the address has unsubscribed or is no longer registered"
    FAIL = "fails, however often it is tried"
    THROTTLE = "asks to come back later, however often it is tried"
    SILENT = "never says whether the message was sent"
    DELAY = "takes the message after two seconds"


@dataclass(frozen=True, kw_only=True)
class ChannelSpec:
    """One channel. Its dispatcher's name follows from its own: `Channel.dispatcher`."""

    channel: Channel
    label: str
    """What a person who gets messages calls it: "You get no more of these by …"."""
    content: type[Content]
    parts: tuple[TemplatePart, ...]
    one_of: tuple[str, ...] = ()
    """Parts of which a template has at least one."""
    named_parts: str | None = None
    """`data`: a template may have parts `data.<name>`; they become the content's field `data`."""
    reserved_names: tuple[ReservedName, ...] = ()
    """What `<name>` in `data.<name>` may not be."""
    overrides: Mapping[str, Mapping[str, PartForm]] = field(default_factory=dict)
    """A template may have parts `overrides.<kind>.<name>`; they become the content's field `overrides`."""
    actions: ActionParts | None = None
    """A template may have parts `actions.<n>.<field>`; they become the content's field `actions`. None: it has no buttons."""
    content_bytes: int | None = None
    """All rendered parts together may have so many bytes. None: each part's own limit is enough."""
    address: AddressKind
    keeps_items: bool = False
    """Whether its dispatcher keeps what is sent, and lets recipients in with the tokens of their tenants."""
    has_sender: bool
    """Whether a tenant may set the identity that messages come from."""
    needs_sender: bool = False
    """Whether nothing can be sent without that identity. False: a provider instance may have one of its own."""
    has_unsubscribe_url: bool = False
    """Whether a message carries the address at which one click ends the subscription."""
    can_track: bool = False
    """Whether its dispatcher can have messages tell that they were opened and what was clicked."""
    carries_files: bool = False
    """Whether its messages take attachments with them. Jobs of other channels carry none."""
    sandbox: Mapping[SandboxBehaviour, str]
    """The addresses that misbehave on demand for test keys. Every other address is taken at once."""

    # Every message goes through these, so that names are listed once.

    @cached_property
    def part_names(self) -> tuple[str, ...]:
        """The names of all parts, in their order."""
        return tuple(part.name for part in self.parts)

    @cached_property
    def trimmed_parts(self) -> tuple[str, ...]:
        """The names of the parts that are trimmed."""
        return tuple(part.name for part in self.parts if part.trimmed)

    @cached_property
    def forms(self) -> Mapping[str, PartForm]:
        """The forms of parts, by the parts' whole names."""
        parts = {part.name: part.form for part in self.parts if part.form is not None}
        overrides = {
            f"{OVERRIDES}{kind}.{name}": form
            for kind, named in self.overrides.items()
            for name, form in named.items()
        }
        actions = self.actions.forms() if self.actions is not None else {}
        return parts | overrides | actions

    def holder_of(self, name: str) -> str | None:
        """Whose name the `<name>` of a named part is. None: it is free."""
        for reserved in self.reserved_names:
            if name.startswith(reserved.name) if reserved.begins else name == reserved.name:
                return reserved.holder
        return None

    def content_of(self, texts: Mapping[str, str]) -> Content:
        """The content with these rendered parts; a part that the channel does not have is ignored."""
        forms = self.forms
        fields: dict[str, Any] = {
            name: forms[name].value(texts[name]) if name in forms else texts[name]
            for name in self.part_names
            if name in texts
        }
        if self.overrides:
            fields["overrides"] = self._overrides_of(texts)
        if self.actions is not None and has_actions(texts):
            fields["actions"] = self.actions.actions_of(texts)
        if self.named_parts is not None:
            prefix = f"{self.named_parts}."
            fields[self.named_parts] = {
                name.removeprefix(prefix): text for name, text in texts.items() if name.startswith(prefix)
            }
        return self.content(**fields)

    def _overrides_of(self, texts: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        overrides: dict[str, dict[str, Any]] = {}
        for name, text in texts.items():
            if name.startswith(OVERRIDES) and name in self.forms:
                kind, _, override = name.removeprefix(OVERRIDES).partition(".")
                overrides.setdefault(kind, {})[override] = self.forms[name].value(text)
        return overrides


_SPECS: Final = (
    ChannelSpec(
        channel=Channel.EMAIL,
        label="email",
        content=EmailContent,
        parts=(
            TemplatePart(name="subject", one_line=True),
            TemplatePart(name="text", required=False),
            TemplatePart(name="html", required=False, html=True),
        ),
        one_of=("text", "html"),
        actions=INBOX_ACTIONS,
        address=MAIL_ADDRESS,
        has_sender=True,
        needs_sender=True,
        has_unsubscribe_url=True,
        can_track=True,
        carries_files=True,
        sandbox={
            SandboxBehaviour.BOUNCE: "bounce@sandbox.tocsin.test",
            SandboxBehaviour.GONE: "gone@sandbox.tocsin.test",
            SandboxBehaviour.FAIL: "fail@sandbox.tocsin.test",
            SandboxBehaviour.THROTTLE: "throttle@sandbox.tocsin.test",
            SandboxBehaviour.SILENT: "silent@sandbox.tocsin.test",
            SandboxBehaviour.DELAY: "delay@sandbox.tocsin.test",
        },
    ),
    ChannelSpec(
        channel=Channel.SMS,
        label="text message (SMS)",
        content=SmsContent,
        parts=(TemplatePart(name="body", trimmed=True),),
        address=PHONE_NUMBER,
        has_sender=True,
        sandbox={
            SandboxBehaviour.BOUNCE: "+15005550001",
            SandboxBehaviour.GONE: "+15005550004",
            SandboxBehaviour.FAIL: "+15005550002",
            SandboxBehaviour.THROTTLE: "+15005550007",
            SandboxBehaviour.SILENT: "+15005550008",
            SandboxBehaviour.DELAY: "+15005550009",
        },
    ),
    ChannelSpec(
        channel=Channel.PUSH,
        label="push notification",
        content=PushContent,
        parts=(
            TemplatePart(name="title", one_line=True),
            TemplatePart(name="body"),
            TemplatePart(name="link", required=False, form=LINK),
            TemplatePart(name="image", required=False, form=SAFE_LINK),
            TemplatePart(name="sound", required=False, form=text_up_to(200)),
            TemplatePart(name="badge", required=False, form=whole_number(0, 99_999)),
        ),
        overrides=PUSH_OVERRIDES,
        actions=INBOX_ACTIONS,
        named_parts="data",
        # https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages: `from`, `message_type` and all that begins with
        # `google.` or `gcm.notification.`; FCM refuses `collapse_key` and the rest of `gcm.`, too.
        reserved_names=(
            ReservedName(name="from", holder="FCM"),
            ReservedName(name="message_type", holder="FCM"),
            ReservedName(name="collapse_key", holder="FCM"),
            ReservedName(name="google.", begins=True, holder="FCM"),
            ReservedName(name="gcm.", begins=True, holder="FCM"),
            ReservedName(name="aps", holder="APNs"),
            ReservedName(name="tocsin_", begins=True, holder="Tocsin"),
        ),
        content_bytes=PUSH_CONTENT_BYTES,
        address=DEVICE,
        has_sender=False,
        sandbox={
            SandboxBehaviour.BOUNCE: "sandbox-invalid",
            SandboxBehaviour.GONE: "sandbox-unregistered",
            SandboxBehaviour.FAIL: "sandbox-unavailable",
            SandboxBehaviour.THROTTLE: "sandbox-throttled",
            SandboxBehaviour.SILENT: "sandbox-silent",
            SandboxBehaviour.DELAY: "sandbox-delay",
        },
    ),
    ChannelSpec(
        channel=Channel.CHAT,
        label="chat",
        content=ChatContent,
        parts=(
            TemplatePart(name="text", trimmed=True),
            TemplatePart(name="title", required=False, form=text_up_to(150)),
        ),
        actions=CHAT_ACTIONS,
        content_bytes=CHAT_CONTENT_BYTES,
        address=CHAT_PLACE,
        has_sender=False,
        sandbox={
            SandboxBehaviour.BOUNCE: "sandbox-invalid",
            SandboxBehaviour.GONE: "sandbox-gone",
            SandboxBehaviour.FAIL: "sandbox-unavailable",
            SandboxBehaviour.THROTTLE: "sandbox-throttled",
            SandboxBehaviour.SILENT: "sandbox-silent",
            SandboxBehaviour.DELAY: "sandbox-delay",
        },
    ),
    ChannelSpec(
        channel=Channel.WEBHOOK,
        label="webhook",
        content=WebhookContent,
        parts=(TemplatePart(name="title", required=False, one_line=True), TemplatePart(name="body")),
        named_parts="data",
        address=ENDPOINT,
        has_sender=False,
        sandbox={
            SandboxBehaviour.BOUNCE: "sandbox-invalid",
            SandboxBehaviour.GONE: "sandbox-gone",
            SandboxBehaviour.FAIL: "sandbox-unavailable",
            SandboxBehaviour.THROTTLE: "sandbox-throttled",
            SandboxBehaviour.SILENT: "sandbox-silent",
            SandboxBehaviour.DELAY: "sandbox-delay",
        },
    ),
    ChannelSpec(
        channel=Channel.INAPP,
        label="message in the app",
        content=InappContent,
        parts=(
            TemplatePart(name="title", one_line=True),
            TemplatePart(name="body", trimmed=True),
            TemplatePart(name="link", required=False, form=LINK),
            TemplatePart(name="icon", required=False, form=SAFE_LINK),
        ),
        actions=INBOX_ACTIONS,
        named_parts="data",
        content_bytes=INBOX_CONTENT_BYTES,
        address=RECIPIENT,
        keeps_items=True,
        has_sender=False,
        sandbox={
            SandboxBehaviour.BOUNCE: "sandbox-invalid",
            SandboxBehaviour.GONE: "sandbox-gone",
            SandboxBehaviour.FAIL: "sandbox-unavailable",
            SandboxBehaviour.THROTTLE: "sandbox-throttled",
            SandboxBehaviour.SILENT: "sandbox-silent",
            SandboxBehaviour.DELAY: "sandbox-delay",
        },
    ),
)

CHANNELS: Final[Mapping[str, ChannelSpec]] = {spec.channel: spec for spec in _SPECS}
"""Every channel, in the order of `Channel`. A word that is none of them is a channel of a newer release."""

ADDRESS_KINDS: Final = tuple(
    dict.fromkeys(spec.address for spec in _SPECS if not (spec.address.held_by_tenant or spec.address.itself))
)
"""Every kind of address that somebody gives for a recipient."""
DISPATCHERS_WITH_DIRECTORY: Final = tuple(
    spec.channel.dispatcher for spec in _SPECS if spec.address.held_by_tenant or spec.keeps_items
)
"""The dispatchers that read `directory`, because what they send to stands there, or the keys of recipients' tokens."""
KEEPERS: Final = tuple(spec.channel.dispatcher for spec in _SPECS if spec.keeps_items)
"""The dispatchers that keep what is sent, and tell each other what has moved."""
ADDRESS_FIELDS: Final = tuple(kind.field for kind in ADDRESS_KINDS if not kind.many)
"""The fields of a recipient that hold one address each: `email`, `phone`."""

if TYPE_CHECKING:
    AnyContent = Content
else:  # msgspec reads a tagged union only of structs it is told by name, and the table knows them all
    AnyContent = reduce(or_, (spec.content for spec in _SPECS))
