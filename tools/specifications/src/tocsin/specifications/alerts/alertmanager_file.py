"""The local Alertmanager's configuration: it calls nobody, and is silenced as the example is."""

from pathlib import Path
from typing import Final

EXAMPLE: Final = Path("deploy/observability/alertmanager.yaml")
_RULES: Final = "inhibit_rules:\n"
_HEAD: Final = f"""\
# Written by `make contracts`: what silences what is as in {EXAMPLE}; change it there.
# On a machine for trying nobody is called: firing alerts are seen at http://localhost:9093.
route:
  receiver: nobody
receivers:
  - name: nobody
"""


def local_alertmanager(example: Path) -> str:
    """With the inhibit rules of the example, which are its last part."""
    _, rules, silences = example.read_text(encoding="utf-8").partition(_RULES)
    return _HEAD + rules + silences
