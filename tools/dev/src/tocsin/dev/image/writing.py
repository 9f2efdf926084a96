"""Runs inside an image, by its own Python: prints as JSON what comes of writing a file into each folder that its words name.

It needs nothing but the standard library, and is passed as text.
"""

import errno
import json
import sys
from pathlib import Path


def outcome(folder: str) -> str:
    """`written`, or the name of the error, such as EROFS."""
    file = Path(folder) / ".tocsin-wrote-this"
    try:
        file.touch()
        file.unlink()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "written"


if __name__ == "__main__":
    print(json.dumps({folder: outcome(folder) for folder in sys.argv[1:]}))
