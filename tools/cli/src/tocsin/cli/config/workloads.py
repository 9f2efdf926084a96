"""Each workload of the manifests, with its variables and files as its process would find them, checked by itself.

Files of ConfigMaps and Secrets are laid into a folder, and paths that lead to where they are mounted are led there. A Secret that is made
elsewhere is taken as given: examples of the right form stand in for it.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tocsin.cli.config.environment import ConfigFinding, check
from tocsin.cli.config.manifests import Manifests, Workload
from tocsin.cli.config.processes import NotInstalled, process_of, settings_of
from tocsin.cli.config.variables import Variables
from tocsin.runtime import SettingRow, settings_table

_KEY: Final = r"/[\w.-]+"
"""A file below a mount."""


@dataclass(frozen=True, kw_only=True)
class CheckedWorkload:
    """A workload, the settings that its process reads, of whichever class, and what is to be said of them; None where they are not valid."""

    workload: Workload
    process: str
    variables: Mapping[str, str]
    settings: Any
    has_rates: bool = False
    """Whether a provider of its file bounds how fast it is sent to."""
    findings: list[ConfigFinding] = field(default_factory=list)

    @property
    def title(self) -> str:
        """What a person calls it."""
        return self.workload.title


def checked_workloads(
    manifests: Manifests, *, names: Sequence[str], without_secrets: bool
) -> list[CheckedWorkload]:
    """Those that run a process of ours, or only the processes `names`. Raises NotInstalled for one that was named."""
    checked = []
    for workload in manifests.workloads:
        process = process_of(workload.container.get("image", ""), workload.words)
        if process is None or (names and process not in names):
            continue
        try:
            checked.append(_checked(manifests, workload, process, without_secrets=without_secrets))
        except NotInstalled:
            if names:
                raise
    return checked


def not_installed(manifests: Manifests) -> list[str]:
    """Titles of the workloads of ours whose settings are not known here."""
    titles = []
    for workload in manifests.workloads:
        process = process_of(workload.container.get("image", ""), workload.words)
        try:
            if process is not None:
                settings_of(process)
        except NotInstalled:
            titles.append(workload.title)
    return titles


def _checked(
    manifests: Manifests, workload: Workload, process: str, *, without_secrets: bool
) -> CheckedWorkload:
    with TemporaryDirectory() as folder:
        files = _Files(Path(folder), manifests, workload, without_secrets=without_secrets)
        variables = files.lay_out(process)
        looked = check(process, variables, where=workload.title)
        has_rates = _has_rates(looked.settings)
        told = [_with_the_pods_paths(finding, folder) for finding in looked.findings]
        told += [_shadowed(workload, *shadowed) for shadowed in files.variables.shadowed]
    return CheckedWorkload(
        workload=workload,
        process=process,
        variables=variables,
        settings=looked.settings,
        has_rates=has_rates,
        findings=told,
    )


def _has_rates(settings: Any) -> bool:
    """Of settings that are valid, so that the file is."""
    file: Path | None = getattr(settings, "providers_file", None)
    providers = tomllib.loads(file.read_text(encoding="utf-8"))["providers"] if file else ()
    return any({"rate", "rate_per_sender"} & provider.keys() for provider in providers)


def _with_the_pods_paths(finding: ConfigFinding, folder: str) -> ConfigFinding:
    return ConfigFinding(
        level=finding.level,
        where=finding.where,
        what=finding.what.replace(folder, ""),
        remedy=finding.remedy,
    )


def _shadowed(workload: Workload, name: str, idle: str, read: str) -> ConfigFinding:
    return ConfigFinding(
        level="warning",
        where=(workload.title,),
        what=f"{name} stands in {idle} and, with another value, in {read}: Kubernetes takes the latter.",
        remedy=f"change it in {read}, or take it out there",
    )


class _Files:
    """The variables of one workload, and its files below a folder."""

    def __init__(
        self, folder: Path, manifests: Manifests, workload: Workload, *, without_secrets: bool
    ) -> None:
        self._folder = folder
        self._manifests = manifests
        self._workload = workload
        self._without_secrets = without_secrets
        self._mounts = dict(workload.mounts)
        self.variables = Variables(workload, self._data)

    def lay_out(self, process: str) -> dict[str, str]:
        """Write the files; returns the variables that lead to them."""
        rows = {row.name: row for row in settings_table(settings_of(process))}
        variables, whole = dict(self.variables.values), self.variables.whole
        elsewhere = [path for path, volume in self._mounts.items() if not self._lay_down(path, volume)]
        if not whole:
            variables |= _examples(rows.values(), variables)
        for name, value in variables.items():
            row = rows.get(name.removesuffix("_FILE"))
            if row is not None and row.example and value.startswith(tuple(f"{path}/" for path in elsewhere)):
                self._write(value, row.example)
        for path in elsewhere:
            for named in re.findall(rf"{re.escape(path)}{_KEY}", self._texts()):
                self._write(named, _EXAMPLES.get(Path(named).suffix, _any_word)())
        return {name: self._moved(value) for name, value in variables.items()}

    def _data(self, kind: str, name: str) -> dict[str, str] | None:
        if kind == "Secret" and self._without_secrets:
            return None
        return self._manifests.data_of(kind, name)

    def _content(self, volume: Mapping[str, Any]) -> dict[str, str] | None:
        kind, name, items = (
            ("Secret", volume["secret"]["secretName"], volume["secret"].get("items"))
            if "secret" in volume
            else ("ConfigMap", volume["configMap"]["name"], volume["configMap"].get("items"))
        )
        data = self._data(kind, name)
        if data is None or not items:
            return data
        return {item["path"]: data[item["key"]] for item in items if item["key"] in data}

    def _lay_down(self, path: str, volume: Mapping[str, Any]) -> bool:
        content = self._content(volume)
        for key, text in (content or {}).items():
            self._write(f"{path}/{key}", self._moved(text))
        return content is not None

    def _moved(self, text: str) -> str:
        """With paths that lead to the folder."""
        for path in self._mounts:
            text = re.sub(rf"(?<![\w/.-]){re.escape(path)}(?=/)", f"{self._folder}{path}", text)
        return text

    def _texts(self) -> str:
        """All files, with the paths that the Pod knows."""
        files = (path.read_text() for path in sorted(self._folder.rglob("*")) if path.is_file())
        return "\n".join(files).replace(str(self._folder), "")

    def _write(self, path: str, text: str) -> None:
        file = self._folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _examples(rows: Iterable[SettingRow], given: Mapping[str, str]) -> dict[str, str]:
    """For what may stand in a Secret that is made elsewhere, where nothing else gives it."""
    logs_in = given.get("KAFKA_SECURITY_PROTOCOL", "").startswith("SASL")
    return {
        row.name: row.example
        for row in rows
        if row.example and not {row.name, f"{row.name}_FILE"} & given.keys()
        if logs_in or not row.name.startswith("KAFKA_SASL_")
    }


def _any_word() -> str:
    """As long as a secret of one's own has to be."""
    return "given-elsewhere-with-32-characters"


@cache
def _a_public_key() -> str:
    """As providers show the one that verifies their callbacks."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - where a dispatcher with such a key is installed, so is this
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - see above

    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


@cache
def _an_account() -> str:
    """A Google service account of nobody. Making its key takes a tenth of a second."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - where dispatch-push is installed, so is this
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 - see above

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    names = {"client_email": "nobody@example.com", "private_key_id": "1", "project_id": "example"}
    return json.dumps({**names, "type": "service_account", "private_key": key.decode()})


_EXAMPLES: Final[Mapping[str, Callable[[], str]]] = {".json": _an_account, ".pub": _a_public_key}
"""By how a file's name ends: what stands in for one that is made elsewhere."""
