"""The rights of `tocsin acls` as commands of Kafka's own tool. Nothing is asked or changed here."""

import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

PRODUCERS, READERS, ADMINISTRATOR = "producers", "readers of status", "administrator"
OUTSIDE: Final = {
    PRODUCERS: "applications that write events to Kafka themselves: each may send for every tenant",
    READERS: "applications that read what became of messages",
    ADMINISTRATOR: "who makes topics and gives groups their offsets, unless it is a super user of the brokers",
}
"""Whom nobody but you can name, and who they are."""
_OPTIONS: Final = {"topic": "--topic", "group": "--group", "transactional id": "--transactional-id"}


@dataclass(frozen=True, order=True)
class AclRule:
    """One permission of one principal."""

    principal: str
    operation: str
    resource: str
    name: str


def user_of(service: str) -> str:
    """The Kafka user that the example's Secrets give it."""
    return f"User:{service.replace(' ', '-')}"


def commands(rules: Iterable[AclRule], principals: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Lines for a shell, in which `$KAFKA` is the brokers' address and `--command-config FILE`. `principals` has Kafka's names for services;
    those without one are users of the same name. Whom only you can name gets nothing unless it stands there."""
    by_principal: dict[str, list[AclRule]] = defaultdict(list)
    for rule in sorted(rules):
        by_principal[rule.principal].append(rule)
    for service, own in by_principal.items():
        if service in OUTSIDE and service not in principals:
            yield f"# Nothing for {service} ({OUTSIDE[service]}): name them with --principal '{service}=User:NAME'."
            continue
        yield f"# {service}"
        allowed = " ".join(
            f"--allow-principal {shlex.quote(name)}" for name in principals.get(service, [user_of(service)])
        )
        for operation, of_prefix, resources in _together(own):
            pattern = " --resource-pattern-type prefixed" if of_prefix else ""
            yield f"kafka-acls.sh --bootstrap-server $KAFKA --add {allowed} --operation {operation}{pattern} {resources}"


def _together(rules: Sequence[AclRule]) -> Iterator[tuple[str, bool, str]]:
    """One command takes one operation, and names of one pattern."""
    resources: dict[tuple[str, bool], list[str]] = defaultdict(list)
    for rule in rules:
        of_prefix = rule.name.endswith("*")
        option = f"{_OPTIONS[rule.resource]} {shlex.quote(rule.name.removesuffix('*'))}"
        resources[rule.operation.capitalize(), of_prefix].append(option)
    for (operation, of_prefix), options in resources.items():
        yield operation, of_prefix, " ".join(options)
