"""A real Alertmanager on this machine: Debian's, on a free port."""

import shutil
from pathlib import Path

import yaml

from tocsin.dev.debian_programs import debian_program, unpacked
from tocsin.dev.locks import locked
from tocsin.dev.observe.http_server import HttpServer
from tocsin.dev.observe.prometheus import SHIPPED

PACKAGE = "prometheus-alertmanager"
_TEMPLATES, _BESIDE = b"/usr/share/prometheus/alertmanager", b"usr/share//prometheus/alertmanager"


def amtool() -> Path:
    """What checks Alertmanager's configuration, and tests its routes."""
    return debian_program("amtool", package=PACKAGE)


class AlertmanagerServer(HttpServer):
    """Routes as the file `configuration` says. Without one, every alert goes at once to `webhook`, or nowhere where that is None, too, unless
    another one silences it as in the example that is shipped."""

    name = "alertmanager"

    def __init__(
        self, folder: Path, *, configuration: Path | None = None, webhook: str | None = None
    ) -> None:
        self._configuration = configuration
        self._webhook = webhook
        self._program, self._root = Path(), Path()
        super().__init__(folder)

    def prepare(self) -> None:
        self._program, self._root = alertmanager_program()
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._configuration is None:
            (self._folder / "alertmanager.yml").write_text(yaml.safe_dump(_at_once(self._webhook)))

    def _command(self, address: str) -> list[str]:
        configuration = self._configuration or self._folder / "alertmanager.yml"
        return [
            str(self._program), f"--config.file={configuration.resolve()}", f"--storage.path={self._folder / 'data'}",
            f"--web.listen-address={address}", "--cluster.listen-address=",
        ]  # fmt: skip

    @property
    def _runs_in(self) -> Path:
        return self._root


def _at_once(webhook: str | None) -> dict[str, object]:
    receiver = {"name": "all"} | ({"webhook_configs": [{"url": webhook}]} if webhook else {})
    route = {"receiver": "all", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
    shipped = yaml.safe_load((SHIPPED / "alertmanager.yaml").read_text(encoding="utf-8"))
    return {"route": route, "receivers": [receiver], "inhibit_rules": shipped["inhibit_rules"]}


def alertmanager_program() -> tuple[Path, Path]:
    """The program, and the folder to run it in.

    Debian's reads its templates from /usr/share alone. Unpacked elsewhere, it reads them below the folder it runs in: the path in the program is
    replaced by one of the same length. Needless once Debian's embeds its templates, as upstream's does.
    """
    for name in (PACKAGE, "alertmanager"):
        if installed := shutil.which(name):
            return Path(installed), Path.cwd()
    folder = unpacked(PACKAGE, needed=PACKAGE)
    ours = folder / "usr" / "bin" / "alertmanager"
    if not ours.exists():
        with locked(folder.with_suffix(".lock")):
            fresh = ours.with_suffix(".fresh")
            fresh.write_bytes((folder / "usr" / "bin" / PACKAGE).read_bytes().replace(_TEMPLATES, _BESIDE))
            fresh.chmod(0o755)
            fresh.replace(ours)
    return ours, folder
