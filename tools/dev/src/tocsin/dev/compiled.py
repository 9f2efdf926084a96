"""`python -m tocsin.dev.compiled`: loads everything once, so that the bytecode of all of it lies ready.

Installing compiles nothing. Without this, the first start's processes all do at once what one can do for all; and where
PYTHONDONTWRITEBYTECODE is set, every start's.
"""

import importlib
import sys

from tocsin.dev.services import NAMES, module_of


def main() -> None:
    """Writes what is missing; does nothing that lasts but that."""
    sys.dont_write_bytecode = False
    for module in ("tocsin.dev", "tocsin.catcher", *map(module_of, NAMES)):
        importlib.import_module(f"{module}.__main__")
    for module in ("tocsin.dev.tables", "tocsin.router.api_role", "tocsin.router.worker"):
        importlib.import_module(module)


if __name__ == "__main__":
    main()
