"""`python -m tests.recordings.record STAGE`: run today's code over a recording's inputs and write down what comes out.

Cases that have no outcome yet get one. Outcomes that stand are left alone, and are written anew only with `--overwrite`: that is
right when a change of the bytes was decided and announced (a new field in a status, say), and the difference is read line by line
before it is committed. It is never right while a restructuring is under way: a difference is then a fault of the restructuring.
"""

import argparse

from tests.recordings.recording import FOLDER, STAGES, read, text_of
from tests.recordings.running import outcome_of


def main() -> None:
    """Record one stage."""
    parser = argparse.ArgumentParser(prog="python -m tests.recordings.record", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--overwrite", action="store_true", help="also where an outcome stands already")
    asked = parser.parse_args()
    recording = read(asked.stage)
    added = 0
    for case in recording["cases"]:
        if asked.overwrite or "outcome" not in case:
            case["outcome"] = outcome_of(asked.stage, case, recording["base"])
            added += 1
    (FOLDER / f"{asked.stage}.json").write_text(text_of(recording))
    standing = len(recording["cases"]) - added
    print(f"{added} cases recorded; {standing} had their outcome and were left alone")  # noqa: T201 - a script that a person runs


if __name__ == "__main__":
    main()
