"""`tocsin acls`: the matrix holds every topic and group of the registry."""

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


def test_the_prefix_of_the_services_own_setting_is_taken(tocsin: Run) -> None:
    rules = tocsin("acls", "--json", KAFKA_TOPIC_PREFIX="acme.").json
    assert all(rule["name"].startswith("acme.") for rule in rules)


def test_on_a_terminal_it_is_a_table(tocsin_on_terminal: Run) -> None:
    ran = tocsin_on_terminal("acls")
    assert "principal" in ran.out
    assert "Access" in ran.out
    assert "\t" not in ran.out
