"""`tocsin acls`: who may read and write what, from the registry of topics and groups."""

from typing import Annotated

import typer

from tocsin.cli.acl_commands import ADMINISTRATOR, READERS, AclRule, commands
from tocsin.cli.config.processes import CALLBACKS
from tocsin.cli.output import print_json, print_table, refuse
from tocsin.contracts.topics import ANYONE, DEFAULT_PREFIX, Topics
from tocsin.contracts.vocabulary import Lane

TRANSACTIONAL_SERVICES = ("router", "scheduler", "dispatch-")
WITNESS, KEDA = "ledger witness", "keda"


def matrix(topics: Topics) -> list[AclRule]:
    """Every permission the services need, and what producers and readers outside may be given."""
    rules = [
        AclRule(writer, "write", "topic", topic.name) for topic in topics.all() for writer in topic.writers
    ] + [
        AclRule(READERS if reader == ANYONE else reader, "read", "topic", topic.name)
        for topic in topics.all()
        for reader in topic.readers
    ]
    for group in topics.groups():
        rules.append(AclRule(group.service, "read", "group", group.name))
        rules += [AclRule(group.service, "read", "topic", topic) for topic in group.topics]
        if group.outcome_topic is not None:  # it asks where the topic ends
            rules.append(AclRule(group.service, "describe", "topic", group.outcome_topic))
        if group.service.startswith(TRANSACTIONAL_SERVICES):
            rules.append(AclRule(group.service, "write", "transactional id", f"{group.name}.*"))
    rules.append(AclRule("router", "write", "transactional id", topics.relay))
    rules += [AclRule(ADMINISTRATOR, "all", resource, f"{topics.prefix}*") for resource in ("topic", "group")]
    rules += _of_callbacks(topics)
    rules += _of_those_outside(topics)
    return sorted(set(rules))


def _of_callbacks(topics: Topics) -> list[AclRule]:
    """A dispatcher's role `callbacks` writes what providers tell, and reads nothing."""
    return [
        AclRule(process.replace("-callbacks", " callbacks"), "write", "topic", topics.status(lane))
        for process in CALLBACKS
        for lane in Lane
    ]


def _of_those_outside(topics: Topics) -> list[AclRule]:
    """The ledger's role `witness` looks at every group from outside, and reads one record of what waits for how long. KEDA asks for
    offsets alone, and need read nothing."""
    groups = topics.groups()
    return [
        *(AclRule(who, "describe", "group", group.name) for who in (WITNESS, KEDA) for group in groups),
        *(AclRule(WITNESS, "read", "topic", topic) for group in groups for topic in group.topics),
        *(AclRule(KEDA, "describe", "topic", topic) for group in groups for topic in group.topics),
    ]


def print_matrix(
    *,
    prefix: Annotated[
        str, typer.Option(envvar="KAFKA_TOPIC_PREFIX", help="What topics begin with.")
    ] = DEFAULT_PREFIX,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_commands: Annotated[
        bool,
        typer.Option(
            "--commands", help="Print commands for a shell, in which $KAFKA is the brokers' address."
        ),
    ] = False,
    principal: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHO=PRINCIPAL",
            help="With --commands: Kafka's name for one of the first column, such as ingest=User:CN=ingest; may be given often, also for "
            "the same. A service that is not named is a user of its own name.",
        ),
    ] = None,
) -> None:
    """Print who may read and write what; `*` ends a prefix. With --commands, the lines of kafka-acls.sh that give these rights."""
    rules = matrix(Topics(prefix))
    if principal and not as_commands:
        refuse("Give --principal with --commands.", code=2)
    if as_commands:
        for line in commands(rules, _principals(principal or [], known={rule.principal for rule in rules})):
            typer.echo(line)
        return
    if as_json:
        print_json([vars(rule) for rule in rules])
        return
    rows = [(rule.principal, rule.operation, rule.resource, rule.name) for rule in rules]
    print_table("Access", ("principal", "operation", "resource", "name"), rows)


def _principals(given: list[str], *, known: set[str]) -> dict[str, list[str]]:
    principals: dict[str, list[str]] = {}
    for pair in given:
        who, _, name = pair.partition("=")
        if who not in known:
            refuse(f"Nobody is called {who!r}. There are: {', '.join(sorted(known))}.", code=2)
        if ":" not in name:
            refuse(f"{pair!r} names no principal of Kafka's, such as {who}=User:NAME.", code=2)
        principals.setdefault(who, []).append(name)
    return principals
