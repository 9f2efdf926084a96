"""`tocsin acls`: the matrix holds every topic and group of the registry."""

import shlex

import pytest

from tocsin.contracts.topics import ANYONE, Topics
from tocsin.contracts.vocabulary import Lane

from .conftest import Run


@pytest.mark.parametrize("prefix", ["tocsin.", "acme-eu."])
def test_every_topic_and_group_stands_in_the_matrix(tocsin: Run, prefix: str) -> None:
    ran = tocsin("acls", "--prefix", prefix)
    assert (ran.code, ran.err) == (0, "")
    rules = {tuple(line.split("\t")) for line in ran.out.splitlines()}
    topics = Topics(prefix)
    for topic in topics.all():
        for writer in topic.writers:
            assert (writer, "write", "topic", topic.name) in rules
        for reader in topic.readers:
            principal = "readers of status" if reader == ANYONE else reader
            assert (principal, "read", "topic", topic.name) in rules
    for group in topics.groups():
        assert (group.service, "read", "group", group.name) in rules
        assert ("ledger witness", "describe", "group", group.name) in rules
        for name in group.topics:
            assert (group.service, "read", "topic", name) in rules
            assert ("ledger witness", "read", "topic", name) in rules
    assert all(name.startswith(prefix) for *_, name in rules)


def test_only_who_fences_others_may_write_under_a_transactional_id(tocsin: Run) -> None:
    rules = tocsin("acls", "--json").json
    ids = {rule["name"]: rule["principal"] for rule in rules if rule["resource"] == "transactional id"}
    assert ids["tocsin.router.bulk.*"] == "router"
    assert ids["tocsin.router.directory"] == "router"
    assert ids["tocsin.dispatch-sms.critical.*"] == "dispatch-sms"
    assert {"ingest", "ledger", "producers"}.isdisjoint(ids.values())


@pytest.mark.parametrize("role", ["dispatch-email callbacks", "dispatch-sms callbacks"])
def test_a_role_that_strangers_reach_may_write_status_and_nothing_else(tocsin: Run, role: str) -> None:
    rules = tocsin("acls", "--json").json
    its = [(rule["operation"], rule["resource"], rule["name"]) for rule in rules if rule["principal"] == role]
    assert sorted(its) == sorted(("write", "topic", Topics().status(lane)) for lane in Lane)


def test_keda_may_read_no_record(tocsin: Run) -> None:
    rules = [rule for rule in tocsin("acls", "--json").json if rule["principal"] == "keda"]
    assert {rule["operation"] for rule in rules} == {"describe"}
    assert {rule["resource"] for rule in rules} == {"group", "topic"}


def test_producers_may_write_events_and_nothing_else(tocsin: Run) -> None:
    rules = tocsin("acls", "--json").json
    theirs = [tuple(rule[name] for name in ("operation", "resource", "name")) for rule in rules if rule["principal"] == "producers"]  # fmt: skip
    assert sorted(theirs) == sorted(("write", "topic", Topics().events(lane)) for lane in Lane)


def test_as_commands_each_right_stands_in_one_line_of_its_principal(tocsin: Run) -> None:
    """What a broker makes of these lines: tests/e2e/test_acls.py."""
    ran = tocsin("acls", "--commands", "--principal", "ingest=User:CN=ingest,O=Shop & Co", "--principal", "producers=User:shop",
                 "--principal", "producers=User:crm")  # fmt: skip
    assert (ran.code, ran.err) == (0, "")
    commands = [shlex.split(line) for line in ran.out.splitlines() if not line.startswith("#")]
    assert {tuple(words[:4]) for words in commands} == {
        ("kafka-acls.sh", "--bootstrap-server", "$KAFKA", "--add")
    }
    events = [word for lane in sorted(Lane) for word in ("--topic", Topics().events(lane))]
    assert ["--allow-principal", "User:CN=ingest,O=Shop & Co", "--operation", "Write", *events] in [
        words[4:] for words in commands
    ]
    assert [
        "--allow-principal",
        "User:shop",
        "--allow-principal",
        "User:crm",
        "--operation",
        "Write",
        *events,
    ] in [words[4:] for words in commands]
    of_prefixes = [words for words in commands if "--resource-pattern-type" in words]
    assert all("prefixed" in words and not any(word.endswith("*") for word in words) for words in of_prefixes)
    assert any("User:ledger-witness" in words for words in commands)


def test_who_can_be_named_only_by_you_gets_nothing_unnamed(tocsin: Run) -> None:
    lines = tocsin("acls", "--commands").out.splitlines()
    for who in ("administrator", "producers", "readers of status"):
        assert sum(line.startswith(f"# Nothing for {who} ") for line in lines) == 1
    assert not any(
        f"User:{who.split()[0]}" in line
        for line in lines
        for who in ("administrator", "producers", "readers")
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--commands", "--principal", "shop=User:shop"), "Nobody is called 'shop'."),
        (("--commands", "--principal", "ingest=shop"), "names no principal of Kafka's"),
        (("--principal", "ingest=User:shop"), "Give --principal with --commands."),
    ],
)
def test_what_it_cannot_use_is_refused(tocsin: Run, words: tuple[str, ...], said: str) -> None:
    ran = tocsin("acls", *words)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_the_prefix_of_the_services_own_setting_is_taken(tocsin: Run) -> None:
    rules = tocsin("acls", "--json", KAFKA_TOPIC_PREFIX="acme.").json
    assert all(rule["name"].startswith("acme.") for rule in rules)


def test_on_a_terminal_it_is_a_table(tocsin_on_terminal: Run) -> None:
    ran = tocsin_on_terminal("acls")
    assert "principal" in ran.out
    assert "Access" in ran.out
    assert "\t" not in ran.out
