"""Dashboards as Grafana reads them."""

from collections.abc import Callable, Mapping
from itertools import count
from string import ascii_uppercase
from typing import Final

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    logs,
    loki,
    prometheus,
    stat,
    tempo,
    text,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)

from tocsin.specifications.dashboards.panels import COLOURS, USUAL, Choice, Dashboard, Kind, Panel

TAG: Final = "tocsin"
METRICS: Final = DataSourceRef(type_val="prometheus", uid="${metrics}")
LOGS: Final = DataSourceRef(type_val="loki", uid="${logs}")
TRACES: Final = DataSourceRef(type_val="tempo", uid="${traces}")
_DATA_SOURCES: Final = {"metrics": "prometheus", "logs": "loki", "traces": "tempo"}
_NEEDED_BY: Final = {"logs": Kind.LOGS, "traces": Kind.TRACE}
_HEIGHTS: Final = {Kind.NUMBER: 4, Kind.LOGS: 12, Kind.TRACE: 12}
_HEIGHT: Final = 8
_GOOD, _BAD = "green", "red"

AnyPanel = timeseries.Panel | stat.Panel | text.Panel | logs.Panel | dashboard.Panel


def grafana_file(source: Dashboard) -> str:
    """The dashboard as JSON. Its address in Grafana is `/d/tocsin-<name>`."""
    built = (
        dashboard.Dashboard(f"Tocsin: {source.title}")
        .uid(f"tocsin-{source.name}")
        .description(source.question)
        .tags([TAG])
        .link(
            dashboard.DashboardLink("Tocsin").type(DashboardLinkType.DASHBOARDS).tags([TAG]).keep_time(True)
        )
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
    )
    kinds = {panel.kind for panel in source.panels}
    for name, kind in _DATA_SOURCES.items():
        if _NEEDED_BY.get(name, Kind.LINES) in kinds:
            built.with_variable(dashboard.DatasourceVariable(name).label(name.capitalize()).type(kind))
    for choice in source.choices:
        built.with_variable(_choice(choice))
    for entry in source.entries:
        built.with_variable(dashboard.TextBoxVariable(entry.name).label(entry.title))
    numbers = count(1)
    for row in source.rows:
        built.with_row(dashboard.Row(row.title).id(next(numbers)))
        for panel in row.panels:
            built.with_panel(_panel(panel, next(numbers)))
    return JSONEncoder(indent=2, sort_keys=True, ensure_ascii=False).encode(built.build()) + "\n"


def _choice(choice: Choice) -> dashboard.QueryVariable:
    first = choice.begins_with
    current = VariableOption(text=first or "All", value=first or "$__all", selected=True)
    return (
        dashboard.QueryVariable(choice.name)
        .label(choice.title)
        .datasource(METRICS)
        .query(f"label_values({choice.metric}, {choice.name})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(True)
        .all_value(".*")
        .current(current)
    )


def _panel(panel: Panel, number: int) -> AnyPanel:
    drawn = _DRAWN[panel.kind](panel)
    height = _HEIGHTS.get(panel.kind, _HEIGHT)
    drawn.id(number).title(panel.title).description(panel.question).span(panel.width).height(height)
    return drawn


def _lines(panel: Panel) -> timeseries.Panel:
    drawn = (
        timeseries.Panel()
        .datasource(METRICS)
        .unit(panel.unit)
        .min(0)
        .line_width(2)
        .show_points(shapes.VisibilityMode.NEVER)
        .legend(common.VizLegendOptions().show_legend(True).display_mode(shapes.LegendDisplayMode.LIST).placement(shapes.LegendPlacement.BOTTOM))
        .tooltip(common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI).sort(shapes.SortOrder.DESCENDING))
    )  # fmt: skip
    legends = [query.legend for query in panel.queries]
    for lane, colour in COLOURS.items():
        if any(legend.startswith(("{{lane}}", lane)) for legend in legends):
            fixed = DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})
            drawn.override_by_regexp(rf"/^{lane}\b/", [fixed])
    if any(legend.endswith(USUAL) for legend in legends):
        dashes = DynamicConfigValue(id_val="custom.lineStyle", value={"fill": "dash", "dash": [6, 6]})
        drawn.override_by_regexp(f"/{USUAL}$/", [dashes])
    for name, query in zip(ascii_uppercase, panel.queries, strict=False):
        asked = (
            prometheus.Dataquery()
            .ref_id(name)
            .datasource(METRICS)
            .expr(query.expression)
            .legend_format(query.legend)
        )
        drawn.with_target(asked.range().exemplar(panel.exemplars and name == "A"))
    return drawn


def _number(panel: Panel) -> stat.Panel:
    steps = [Threshold(color=_GOOD)]
    if panel.bad_from is not None:
        steps.append(Threshold(value=panel.bad_from, color=_BAD))
    (query,) = panel.queries
    asked = prometheus.Dataquery().ref_id("A").datasource(METRICS).expr(query.expression)
    return (
        stat.Panel()
        .datasource(METRICS)
        .unit(panel.unit)
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .color_mode(shapes.BigValueColorMode.BACKGROUND)
        .graph_mode(shapes.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(asked.instant().legend_format(query.legend))
    )


def _text(panel: Panel) -> text.Panel:
    return text.Panel().content(panel.text)


def _logs(panel: Panel) -> logs.Panel:
    (query,) = panel.queries
    asked = loki.Dataquery().ref_id("A").datasource(LOGS).expr(query.expression).max_lines(200)
    return logs.Panel().datasource(LOGS).show_time(True).wrap_log_message(True).with_target(asked)


def _traces(panel: Panel) -> dashboard.Panel:
    """The traces that were found, each a link to itself."""
    (query,) = panel.queries
    asked = (
        tempo.TempoQuery()
        .ref_id("A")
        .datasource(TRACES)
        .query_type("traceql")
        .query(query.expression)
        .limit(20)
    )
    return dashboard.Panel().type("table").datasource(TRACES).with_target(asked)


_DRAWN: Final[Mapping[Kind, Callable[[Panel], AnyPanel]]] = {
    Kind.LINES: _lines,
    Kind.NUMBER: _number,
    Kind.TEXT: _text,
    Kind.LOGS: _logs,
    Kind.TRACE: _traces,
}
