"""How large does an installation have to be? Bytes of a notification, measured; what so many a day take, computed.

`python bench/capacity.py measure` (five minutes) sends known messages of seven kinds through all services, beside a broker and a database of its own, and weighs
what they leave on topics, in tables, in PostgreSQL's log and in memory. `--record` writes bench/record/capacity.json and the tables of docs/operations/capacity.md;
`--scale 0.25` tries it.

`python bench/capacity.py plan --per-day 10e6 --peak 3 --mix code=0.1,order=0.9` measures nothing: it computes what that takes from the committed records, of which
bench/record/bench.json has the processor time. `plan --help` lists what else may be said. `tables` writes the page again from these records.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import capacity_costs
import capacity_record
from capacity_measure import measure
from capacity_page import PAGE, as_text, parts_of, rows_of, written
from capacity_plan import MIX, Demand, plan
from capacity_record import Record
from report import Report
from running import Steps, measured, options

OPTIONS = {
    "peak": "the busiest minute, as a multiple of the average",
    "kafka_copies": "replicas of topics",
    "database_copies": "the primary and its replicas",
    "jobs_days": "days for which events, intents, jobs and timers are kept",
    "status_days": "days for which statuses are kept on their topics",
    "ledger_days": "LEDGER_RETENTION_DAYS",
    "claim_hours": "ROUTER_DUPLICATE_WINDOW, in hours",
    "busy": "share of a core that a process is to use at the peak",
    "provider_seconds": "how long a call to a provider takes",
}
"""What may be said of a demand, beside how many and of which kinds."""


def main() -> int:
    """The exit code: 1 where a message was lost or a part failed, 2 where a mix makes no sense."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    weigh = options(commands.add_parser("measure", help="weigh what messages leave (five minutes)"))
    weigh.add_argument("--scale", type=float, default=1.0, metavar="S", help="so many more messages")
    weigh.add_argument("--record", action="store_true", help="write the record and the page")
    commands.add_parser("tables", help="write the page's tables from the committed records")
    compute = commands.add_parser("plan", help="what so many notifications a day take")
    compute.add_argument("--per-day", type=float, required=True, metavar="N", help="notifications a day")
    compute.add_argument("--mix", default="", metavar="KIND=SHARE,…", help=f"default: {_told(MIX)}")
    defaults = Demand(per_day=0)
    for name, text in OPTIONS.items():
        default = getattr(defaults, name)
        compute.add_argument(
            f"--{name.replace('_', '-')}",
            type=type(default),
            default=default,
            metavar="N",
            help=f"{text}; default: {default:g}",
        )
    given = parser.parse_args()
    if given.command == "measure":
        return _measure(given)
    if given.command == "tables":
        _write_page(capacity_record.read())
        return 0
    return _plan(given)


def _measure(given: argparse.Namespace) -> int:
    records: list[Record] = []

    async def everything(folder: Path, report: Report, say: Steps) -> None:
        records.append(await measure(folder, report, say, given.scale))

    report = measured(everything, given)
    for fault in report.faults if report else ():
        print(f"WRONG: {fault}")
    if report is None or report.faults or not records:
        return 1
    parts = parts_of(records[-1], capacity_costs.read())
    print("\n\n".join(parts.values()))
    if given.record:
        capacity_record.write(records[-1])
        print(f"Written: {capacity_record.FILE}")
        _write_page(capacity_record.read())
    return 0


def _write_page(record: Record) -> None:
    PAGE.write_text(written(PAGE.read_text(), parts_of(record, capacity_costs.read())))
    print(f"Written: {PAGE}")


def _plan(given: argparse.Namespace) -> int:
    said: dict[str, Any] = {name: getattr(given, name) for name in OPTIONS}
    try:
        mix = _mix(given.mix) if given.mix else MIX
        demand = Demand(per_day=given.per_day, mix=mix, **said)
        planned = plan(demand, capacity_record.read(), capacity_costs.read())
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(as_text(rows_of(planned)))
    return 0


def _mix(text: str) -> dict[str, float]:
    pairs = [part.partition("=") for part in text.split(",")]
    return {name.strip(): float(share) for name, _, share in pairs}


def _told(mix: Mapping[str, float]) -> str:
    return ",".join(f"{name}={share:g}" for name, share in mix.items())


if __name__ == "__main__":
    sys.exit(main())
