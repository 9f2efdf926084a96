"""`python -m tocsin.specifications` writes docs/contracts, the READMEs' settings tables, the tables of docs/data.md and of
docs/operations/metrics.md and settings.md, of what providers can do, the rules of Prometheus, what silences what on the local stack, and Grafana's dashboards;
`--check` only says what is stale."""

import argparse
import sys
from pathlib import Path

from tocsin.specifications.alerts import EXAMPLE, RUNBOOKS, local_alertmanager, plain_files, prometheus_rule
from tocsin.specifications.capabilities import with_capabilities
from tocsin.specifications.dashboards import DASHBOARDS
from tocsin.specifications.dashboards.grafana import grafana_file
from tocsin.specifications.documents import documents
from tocsin.specifications.metrics_page import Unquestioned, metrics_page
from tocsin.specifications.settings_page import SettingUnusable, settings_page
from tocsin.specifications.settings_tables import MarkersMissing, readmes
from tocsin.specifications.stored_data import Unclassified, data_page


def main() -> int:
    """Write what differs, or with `--check` name it and return 1."""
    given = _arguments()
    try:
        files = readmes(given.services) | {
            given.data: data_page(given.data),
            given.metrics: metrics_page(given.metrics),
            given.settings: settings_page(given.settings),
        }
        files |= {page: with_capabilities(page, given.services) for page in given.capabilities}
    except (MarkersMissing, SettingUnusable, Unclassified, Unquestioned) as missing:
        sys.stderr.write(f"{missing}\n")
        return 1
    files |= {given.into / name: text for name, text in documents().items()}
    files |= {given.rules / name: text for name, text in plain_files(given.runbooks).items()}
    files[given.prometheus_rule] = prometheus_rule(given.runbooks)
    files[given.local_alertmanager] = local_alertmanager(given.alertmanager)
    files |= {given.dashboards / f"{page.name}.json": grafana_file(page) for page in DASHBOARDS}
    stale = [path for path, text in files.items() if not path.is_file() or path.read_text() != text]
    written = [*given.into.rglob("*.json"), *given.dashboards.glob("*.json")]
    left_over = [path for path in written if path not in files]
    if given.check:
        for path in [*stale, *left_over]:
            sys.stderr.write(f"{path} is stale: run `make contracts` and commit the result.\n")
        return 1 if stale or left_over else 0
    for path in left_over:
        path.unlink()
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path])
    sys.stdout.write(f"{len(files)} documents, {len(stale)} written, {len(left_over)} removed.\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tocsin.specifications", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a file is stale")
    parser.add_argument(
        "--into", type=Path, default=Path("docs/contracts"), help="the folder of the documents"
    )
    parser.add_argument("--services", type=Path, default=Path("services"), help="the folder of the services")
    parser.add_argument(
        "--capabilities",
        type=Path,
        nargs="*",
        default=[Path("README.md"), Path("docs/providers.md")],
        help="the pages that say what each provider can do",
    )
    parser.add_argument("--data", type=Path, default=Path("docs/data.md"), help="the page on what lies where")
    parser.add_argument(
        "--metrics", type=Path, default=Path("docs/operations/metrics.md"), help="the page of all metrics"
    )
    parser.add_argument(
        "--rules", type=Path, default=Path("deploy/observability/rules"), help="the folder of rules files"
    )
    parser.add_argument(
        "--prometheus-rule",
        type=Path,
        default=Path("deploy/k8s/components/monitoring/rules.yaml"),
        help="the same rules for the Prometheus Operator",
    )
    parser.add_argument("--alertmanager", type=Path, default=EXAMPLE, help="the example for Alertmanager")
    parser.add_argument(
        "--local-alertmanager",
        type=Path,
        default=Path("deploy/compose/alertmanager.yml"),
        help="the local Alertmanager's configuration, with the example's inhibit rules",
    )
    parser.add_argument(
        "--runbooks",
        default=RUNBOOKS,
        metavar="URL",
        help="where alerts find their pages: a copy of docs/operations/runbooks",
    )
    parser.add_argument(
        "--dashboards",
        type=Path,
        default=Path("deploy/observability/dashboards"),
        help="the folder of Grafana's dashboards",
    )
    parser.add_argument(
        "--settings", type=Path, default=Path("docs/operations/settings.md"), help="the page of all settings"
    )
    return parser.parse_args()


sys.exit(main())
