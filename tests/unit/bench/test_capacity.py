"""The calculator beside values that were computed by hand, and what is counted of a broker's folder."""

import sys
from pathlib import Path

import pytest

import capacity
import capacity_costs
import capacity_record
from capacity_costs import Costs, costs_of
from capacity_ends import ends
from capacity_kinds import KINDS
from capacity_measure import measured, slope
from capacity_page import PAGE, as_text, parts_of, rows_of, written
from capacity_plan import MIX, Demand, Range, plan
from capacity_record import Database, Measured, Record, Stored, Way
from capacity_stored import Snapshot, Table, grown, topic_bytes
from machine import Machine
from summary import Summary
from tocsin.contracts.vocabulary import Channel, Lane

MACHINE = Machine(
    cores=2, cpu="a", memory_gb=1, system="b", load_before=0, versions={"kafka": "4", "postgresql": "18"}, commit="abc"
)  # fmt: skip
DAY = 86_400


def left(topics: dict[str, float], **more: float) -> Measured:
    values = {"internal": 0.0, "wal": 4_000.0, "claims": 1.0, "rows": 2.0} | more
    stored = {
        name: Stored(records=2.0 if name == "status" else 1.0, bytes=size) for name, size in topics.items()
    }
    return Measured(notifications=1_000, topics=stored, row_bytes=1_200, index_bytes=200, **values)


ORDER: dict[Way, Measured] = {
    "spread": left({"events": 500, "jobs.email": 2_500, "status": 2_000}, internal=100),
    "full": left({"events": 400, "jobs.email": 2_000, "status": 1_600}),
}
CAMPAIGN: dict[Way, Measured] = {
    "spread": left({"events": 9e9, "intents": 9e9, "jobs.email": 9e9, "status": 9e9}, claims=1),
    "full": left({"events": 100, "intents": 600, "jobs.email": 300, "status": 400}, claims=0.001, wal=3_000),
}
RECORD = Record(
    machine=MACHINE,
    kinds={name: CAMPAIGN if kind.inline else ORDER for name, kind in KINDS.items()},
    database=Database(
        claim=200,
        timer=3_000,
        outbox=150,
        wal_beside={80_000: 10_000, 480_000: 22_000},
        sweep_seconds={0: 0.02, 180_000: 0.1},
        changes_per_second=5_000,
    ),
    archived=90,
    memory={"a recipient": 17.4},
)
FULL = {"ingest": 100, "router": 200, "dispatch-email": 150, "broker": 80, "ledger": 50, "database": 60}
ALONE = {
    "ingest": 600,
    "router": 2_000,
    "dispatch-email": 1_050,
    "broker": 6_000,
    "ledger": 300,
    "database": 700,
}
COSTS = Costs(
    mail=[(100, ALONE), (1_000, FULL)],
    campaign={"ingest": 6, "router": 152, "dispatch-email": 140, "broker": 34, "ledger": 44, "database": 39},
    router={"router": 100, "broker": 25},
    router_three={"router": 160, "broker": 31},
    dispatch={
        Channel.EMAIL: {"dispatch-email": 100, "broker": 10},
        Channel.SMS: {"dispatch-sms": 300, "broker": 30},
        Channel.PUSH: {"dispatch-push": 200, "broker": 20},
    },
)
THOUSAND_A_SECOND = Demand(per_day=1_000 * DAY, peak=2, mix={"order": 1.0}, ledger_days=10)


def test_what_a_thousand_order_mails_a_second_take() -> None:
    planned = plan(THOUSAND_A_SECOND, RECORD, COSTS)
    a_day = 1_000 * DAY
    assert planned.kafka.low == pytest.approx(a_day * 3 * (2_400 * 7 + 1_600 * 30))
    assert planned.kafka.high == pytest.approx(a_day * 3 * (3_000 * 7 + 2_000 * 30))
    assert planned.kafka_parts["status"] == pytest.approx(Range(12.4416e12, 15.552e12))
    assert planned.produced == pytest.approx(Range(4_000 * 2_000, 5_100 * 2_000))
    assert planned.replicated == pytest.approx(Range(16e6, 20.4e6))
    assert planned.consumed == pytest.approx(Range(5_600 * 2_000, 7_000 * 2_000))
    assert planned.rows == 2_000
    assert planned.ledger_day == pytest.approx(0.12096e12)
    assert planned.ledger == pytest.approx(2.4192e12)
    assert planned.claims == 1_000
    assert planned.claims_kept == a_day
    assert planned.claims_bytes == pytest.approx(17.28e9)
    assert planned.calls == {Channel.EMAIL: 200, Channel.SMS: 0, Channel.PUSH: 0}


def test_whole_pages_are_added_to_the_log_for_each_row_and_claim() -> None:
    assert plan(THOUSAND_A_SECOND, RECORD, COSTS).log == pytest.approx(Range(4e6, 22e6))
    half = Demand(per_day=1_000 * DAY, mix={"order": 0.5, "campaign": 0.5})
    # 6,000 bytes for each of 0.5 * (2 + 1) + 0.5 * (2 + 0.001) rows and claims
    assert plan(half, RECORD, COSTS).log == pytest.approx(Range(3.5e6, 3.5e6 + 6_000 * 2.5005 * 1_000))


def test_a_campaign_comes_in_full_batches_whatever_else_comes_one_by_one() -> None:
    half = Demand(per_day=DAY, mix={"order": 0.5, "campaign": 0.5}, kafka_copies=1)
    planned = plan(half, RECORD, COSTS)
    assert planned.kafka_parts["intents"] == pytest.approx(Range(0.5 * 600 * DAY * 7, 0.5 * 600 * DAY * 7))
    assert planned.claims == pytest.approx(0.5005)


def test_cores_are_rate_times_cost_and_processes_leave_some_of_a_core_free() -> None:
    planned = plan(THOUSAND_A_SECOND, RECORD, COSTS)
    assert planned.cores == pytest.approx(
        {
            "ingest": 0.1,
            "router": 0.2,
            "dispatch-email": 0.15,
            "broker": 0.08,
            "ledger": 0.05,
            "database": 0.06,
        }
    )
    assert planned.peak_cores["router"] == pytest.approx(0.4)
    assert planned.processes[Lane.TRANSACTIONAL] == pytest.approx(
        {"router": 0.4 / 0.7, "dispatch-email": 0.3 / 0.7, "ledger": 0.1 / 0.7}
    )
    assert planned.processes[Lane.BULK] == {}


def test_a_message_costs_more_where_few_come() -> None:
    order = KINDS["order"]
    assert COSTS.of(order, 10, rows=2) == pytest.approx(ALONE)
    assert COSTS.of(order, 5_000, rows=2) == pytest.approx(FULL)
    between = COSTS.of(
        order, 100 * 10**0.5, rows=2
    )  # half of the way from 100 to 1,000, as the logarithm goes
    assert between["router"] == pytest.approx(1_100)
    assert between["dispatch-email"] == pytest.approx(600)


def test_three_channels_cost_three_dispatchers_and_twice_the_rows() -> None:
    assert COSTS.of(KINDS["everywhere"], 1_000, rows=4) == pytest.approx(
        {
            "ingest": 100,
            "router": 200 + 60,
            "dispatch-email": 150,
            "dispatch-sms": 450,
            "dispatch-push": 300,
            "broker": 80 + 30 + 20 + 6,
            "ledger": 100,
            "database": 120,
        }
    )


def test_an_sms_costs_no_mail() -> None:
    cost = COSTS.of(KINDS["sms"], 1_000, rows=2)
    assert "dispatch-email" not in cost
    assert cost["dispatch-sms"] == 450
    assert cost["broker"] == 80 + 30 - 10


def test_the_committed_bench_has_all_that_costs_are_made_of() -> None:
    costs = capacity_costs.read()
    rates = [rate for rate, _ in costs.mail]
    assert rates == sorted(rates)
    assert rates[0] == pytest.approx(100, rel=0.05)
    assert {"ingest", "router", "dispatch-email", "ledger", "broker", "database"} <= set(costs.mail[-1][1])


def test_neither_the_load_nor_the_sink_is_a_cost() -> None:
    names = [
        "latency at 100/s: rate", capacity_costs.WHOLE_PATH, "campaign: 100 inline", "router: events to jobs",
        "router: events to three jobs each", *(f"dispatch-{channel}: jobs to the sink" for channel in Channel),
    ]  # fmt: skip
    figures = [
        Summary(name=name, unit="/s", values=[100], cpu_us={"router": 1, "sink": 9, "load": 9})
        for name in names
    ]
    costs = costs_of(figures)
    assert [cost for _, cost in costs.mail] == [{"router": 1}, {"router": 1}]
    assert costs.campaign == {"router": 1}


@pytest.mark.parametrize(
    ("mix", "sentence"),
    [
        ({"mail": 1.0}, "Unknown kind mail. There are: code, order, everywhere, sms, push, later, campaign."),
        ({"order": 0.5}, "The shares of the mix add up to 0.5, not to 1."),
    ],
)
def test_a_mix_that_makes_no_sense_is_a_sentence(mix: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence.replace(".", r"\.")):
        plan(Demand(per_day=1, mix=mix), RECORD, COSTS)


def test_what_ends_first_comes_first_and_is_that_which_the_plan_needs() -> None:
    found = {end.what: end.per_day for end in ends(RECORD, COSTS)}
    assert list(found.values()) == sorted(found.values())
    at_end = found["router on transactional: a process on each of 4 shards"]
    needed = plan(Demand(per_day=at_end), RECORD, COSTS).processes[Lane.TRANSACTIONAL]["router"]
    assert needed == pytest.approx(4)
    at_end = found["calls to one email provider: 4 processes, 20 at once each, 0.1 s a call"]
    assert plan(Demand(per_day=at_end), RECORD, COSTS).calls[Channel.EMAIL] == pytest.approx(80)
    one, four = (found[f"claims deleted by {many}"] for many in ("1 router", "4 routers"))
    assert four == pytest.approx(4 * one)
    assert plan(Demand(per_day=one), RECORD, COSTS).claims == pytest.approx(1_000 / 0.2)


def test_segments_are_added_up_by_topic(tmp_path: Path) -> None:
    for name, sizes in {
        "tocsin.events.bulk-0": (10, 5),
        "tocsin.events.bulk-11": (7,),
        "a-b-0": (1,),
    }.items():
        (tmp_path / name).mkdir()
        for number, size in enumerate(sizes):
            (tmp_path / name / f"{number}.log").write_bytes(b"x" * size)
        (tmp_path / name / "0.index").write_bytes(b"x" * 100)
    assert topic_bytes(tmp_path) == {"tocsin.events.bulk": 22, "a-b": 1}


def test_what_one_of_many_has_left() -> None:
    def at(rows: int, topics: dict[str, int], log: int) -> Snapshot:
        tables = {
            "ledger.statuses": Table(rows, rows * 600, rows * 100),
            "directory.claims": Table(rows // 2, 0, 0),
        }
        return Snapshot(topics, tables, log)

    before, after = (
        at(10, {"__offsets": 5, "events": 50}, 100),
        at(30, {"__offsets": 25, "events": 50, "new": 3}, 500),
    )
    found = measured(10, {}, before, after)
    assert (found.rows, found.row_bytes, found.index_bytes, found.claims) == (2, 1_200, 200, 1)
    assert (found.internal, found.wal) == (2, 40)
    assert grown(before.topics, after.topics, ["events", "new"]) == {"new": 3}


def test_the_relays_rate_counts_from_the_moment_at_which_rows_begin_to_go() -> None:
    assert slope([(0, 100), (9, 100), (10, 80), (12, 0)]) == pytest.approx(100 / 3)
    with pytest.raises(ValueError, match="of 100 rows 20 still wait"):
        slope([(0, 100), (9, 20)])


def test_a_part_is_written_between_its_markers() -> None:
    text = "a\n<!-- capacity x: begin -->\nold\n<!-- capacity x: end -->\nb\n"
    assert written(text, {"x": "new"}) == text.replace("old", "new")
    with pytest.raises(SystemExit):
        written("a", {"x": "new"})


def test_the_committed_page_has_every_line_that_the_records_make() -> None:
    text = PAGE.read_text()
    parts = parts_of(capacity_record.read(), capacity_costs.read())
    heads = [
        line.split(" | ")[0] for part in parts.values() for line in part.splitlines() if line.startswith("| ")
    ]
    assert [head for head in heads if f"{head} |" not in text] == []


def test_one_can_plan_without_measuring(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["plan", "--per-day", "10e6", "--peak", "2", "--mix", "order=0.9,code=0.1"]
    monkeypatch.setattr(sys, "argv", ["capacity.py", *arguments])
    assert capacity.main() == 0
    demand = Demand(per_day=10e6, peak=2, mix={"order": 0.9, "code": 0.1})
    planned = plan(demand, capacity_record.read(), capacity_costs.read())
    assert capsys.readouterr().out == as_text(rows_of(planned)) + "\n"
    monkeypatch.setattr(sys, "argv", ["capacity.py", "plan", "--per-day", "1", "--mix", "order=2"])
    assert capacity.main() == 2


def test_the_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    capacity_record.write(RECORD, tmp_path / "record.json")
    assert capacity_record.read(tmp_path / "record.json") == RECORD


def test_the_usual_mix_is_a_whole() -> None:
    assert sum(MIX.values()) == pytest.approx(1)
