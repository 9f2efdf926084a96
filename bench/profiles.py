"""Where does a message's time go? The stages once more, each service sampled every millisecond of its own processor time.

`python bench/profiles.py` takes two minutes and writes `bench/record/profiles.txt`: for each stage the modules of ours with what they call outside of us, and the
functions that ran. Microseconds are shares of what the stage takes in this run, the kernel's part included, which is not sampled; sampling makes it some percent longer.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from figures import Measured
from place import opened
from report import Report
from running import Steps, measured, options
from stages import Sizes, Stages

RESULT = Path(__file__).with_name("record") / "profiles.txt"
MODULES, FUNCTIONS = 25, 25
SIZES = Sizes(direct=30_000)


async def measure(folder: Path, report: Report, say: Steps, texts: list[str]) -> None:
    """Each stage."""
    samples = folder / "samples"
    async with opened(folder, report, say, samples=samples) as place:
        stages = Stages(place, sizes=SIZES)
        jobs = {
            "ingest": stages.ingest,
            "router": stages.router,
            "dispatch-email": stages.dispatch,
            "ledger": stages.ledger,
        }
        for service, job in jobs.items():
            say(service)
            result = await job()
            report.take(service, result)
            texts.append(text(service, result, json.loads((samples / f"{service}.json").read_text())))


def text(service: str, found: Measured, counts: Mapping[str, int]) -> str:
    """The profile of one stage."""
    figure = found.figures[0]
    whole, cost = sum(count for name, count in counts.items() if " > " not in name), figure.cpu_us[service]
    lines = [f"{figure.name}: {cost:.0f} us a message of {service}", ""]
    for title, most, nested in (("by module of ours", MODULES, False), ("by what ran", FUNCTIONS, True)):
        ordered = sorted(
            ((count, name) for name, count in counts.items() if (" > " in name) is nested), reverse=True
        )
        lines.append(f"  {title}: us a message, share")
        lines += [
            f"  {cost * count / whole:7.1f} {100 * count / whole:5.1f} %  {name}"
            for count, name in ordered[:most]
        ]
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    """The exit code."""
    given = options(argparse.ArgumentParser(description=__doc__)).parse_args()
    texts: list[str] = []

    async def all_of_it(folder: Path, report: Report, say: Steps) -> None:
        await measure(folder, report, say, texts)

    report = measured(all_of_it, given)
    if report is None or report.faults:
        for fault in report.faults if report else ():
            print(f"WRONG: {fault}")
        return 1
    RESULT.parent.mkdir(exist_ok=True)
    head = f"commit {report.machine.commit}; {report.machine.cores} cores of {report.machine.cpu}\n\n"
    RESULT.write_text(head + "\n".join(texts))
    print(f"Written: {RESULT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
