"""The Compose file as tests look at it: each service's variables and files as its process would find them."""

from pathlib import Path
from typing import Any

import yaml

from tocsin.catcher.service_account import write_account

FILE = Path(__file__).parents[1] / "deploy" / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())


def variables(service: str) -> dict[str, str]:
    """What it is given, and as if they were variables the secrets that stand in files."""
    given: dict[str, str] = dict(COMPOSE["services"][service]["environment"])
    files = {
        f"/run/secrets/{name}": (FILE.parent / COMPOSE["secrets"][name]["file"]).read_text().strip()
        for name in COMPOSE["services"][service].get("secrets", ())
    }
    return {
        name.removesuffix("_FILE") if value in files else name: files.get(value, value)
        for name, value in given.items()
    }


def mounted_instances(service: str, folder: Path) -> dict[str, str]:
    """The instances of a dispatcher, or of its role, as files in `folder`, and the variable that names them; nothing for other
    services."""
    if not service.startswith("dispatch-"):
        return {}
    channel = service.split("-")[1]
    for token in (FILE.parent / "compose").glob("*-token"):
        (folder / token.name).write_text(token.read_text())
    write_account(folder / "account.json", project="tocsin-local", token_uri="http://catcher:8025/token")
    text = (FILE.parent / "compose" / f"{channel}.toml").read_text()
    (folder / "providers.toml").write_text(text.replace("/var/lib/tocsin", str(folder)))
    return {f"DISPATCH_{channel.upper()}_PROVIDERS_FILE": str(folder / "providers.toml")}
