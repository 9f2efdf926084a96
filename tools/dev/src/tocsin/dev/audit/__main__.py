"""`python -m tocsin.dev.audit`: whether a vulnerability is known of anything that is pinned.

| exit code | what it means |
|---|---|
| 0 | every pinned distribution was looked up; none is known to be vulnerable, but for exceptions that still hold |
| 1 | one is known to be vulnerable, or an exception has ended, is needed no longer or cannot be read; a sentence for each |
| 3 | at least one could not be looked up, because no database answered for it: nothing is known of those |
"""

import sys
from datetime import UTC, datetime

from tocsin.dev.audit.databases import DATABASES
from tocsin.dev.audit.exceptions import FILE, ExceptionsInvalid, tolerated
from tocsin.dev.audit.pins import all_pins
from tocsin.dev.audit.verdict import FOUND, judge


def main() -> int:
    """Print the verdict; the exit code."""
    try:
        entries = tolerated(FILE.read_text())
    except ExceptionsInvalid as error:
        sys.stderr.write(f"{error}\n")
        return FOUND
    verdict = judge(all_pins(), databases=DATABASES, tolerated=entries, today=datetime.now(UTC).date())
    for line in verdict.lines:
        sys.stderr.write(f"{line}\n")
    return verdict.exit_code


if __name__ == "__main__":
    sys.exit(main())
