"""Dashboards: whole in words, and every expression of theirs and of the page of metrics names only what exists."""

import json
import re

import pytest
from tests.expressions import faults, of_dashboards, of_questions, series_of

from tocsin.contracts.vocabulary import Lane
from tocsin.specifications.alerts import OBJECTIVES
from tocsin.specifications.dashboards import DASHBOARDS
from tocsin.specifications.dashboards.grafana import grafana_file
from tocsin.specifications.dashboards.panels import COLOURS, Dashboard, Kind, Panel

EXPRESSIONS = {**of_dashboards(), **of_dashboards(empty=True), **of_questions()}
PANELS = [(dashboard, panel) for dashboard in DASHBOARDS for panel in dashboard.panels]


@pytest.fixture(params=DASHBOARDS, ids=lambda dashboard: dashboard.name)
def dashboard(request: pytest.FixtureRequest) -> Dashboard:
    page: Dashboard = request.param
    return page


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_an_expression_names_only_what_exists(where: str) -> None:
    assert faults(EXPRESSIONS[where]) == []


@pytest.mark.parametrize(
    ("expression", "word"),
    [
        ("tocsin_lagging", "tocsin_lagging"),
        ('tocsin_paused{service="x"}', "service"),
        ("sum by (tenant) (tocsin_paused)", "tenant"),
        ("tocsin_paused * on (pod) group_left (version) tocsin_build_info", "pod"),
    ],
)
def test_one_that_does_not_is_found(expression: str, word: str) -> None:
    (fault,) = faults(expression)
    assert word in fault


def test_one_that_is_none_is_found() -> None:
    with pytest.raises(ValueError, match="parenthesis"):
        faults("sum(tocsin_paused")


@pytest.mark.parametrize(("dashboard", "panel"), PANELS, ids=lambda part: part.title)
def test_a_panel_says_what_it_answers(dashboard: Dashboard, panel: Panel) -> None:
    assert panel.title
    assert panel.question[0].isupper()
    assert "?" in panel.question
    assert all(query.legend for query in panel.queries) or panel.kind in (Kind.LOGS, Kind.TRACE)
    assert bool(panel.queries) != bool(panel.text)


def test_few_panels_are_empty_while_nothing_is_wrong() -> None:
    assert len(of_dashboards(empty=True)) <= 7


def test_titles_are_told_apart_and_rows_are_full(dashboard: Dashboard) -> None:
    titles = [panel.title for panel in dashboard.panels]
    assert len(titles) == len(set(titles))
    for row in dashboard.rows:
        assert sum(panel.width for panel in row.panels) % 24 == 0, row.title


def test_a_lane_has_one_colour_everywhere() -> None:
    assert COLOURS.keys() == set(Lane)
    assert len(set(COLOURS.values())) == len(Lane)
    for dashboard in DASHBOARDS:
        for panel in json.loads(grafana_file(dashboard))["panels"]:
            by_lane = [target for target in panel.get("targets", []) if target.get("legendFormat", "").startswith("{{lane}}")]  # fmt: skip
            shown = {rule["matcher"]["options"]: rule["properties"][0]["value"] for rule in panel.get("fieldConfig", {}).get("overrides", [])}  # fmt: skip
            for lane in Lane if by_lane else ():
                assert shown[rf"/^{lane}\b/"] == {"mode": "fixed", "fixedColor": COLOURS[lane]}


def test_grafanas_file_has_every_panel_with_its_words(dashboard: Dashboard) -> None:
    file = json.loads(grafana_file(dashboard))
    assert file["uid"] == f"tocsin-{dashboard.name}"
    shown = {panel["title"]: panel for panel in file["panels"] if panel["type"] != "row"}
    assert shown.keys() == {panel.title for panel in dashboard.panels}
    numbers = [panel["id"] for panel in file["panels"]]
    assert len(numbers) == len(set(numbers))
    for panel in dashboard.panels:
        drawn = shown[panel.title]
        assert drawn["description"] == panel.question
        asked = [target.get("expr", target.get("query")) for target in drawn.get("targets", [])]
        assert asked == [query.expression for query in panel.queries]
        if panel.kind in (Kind.LINES, Kind.NUMBER):
            assert drawn["fieldConfig"]["defaults"]["unit"] == panel.unit
    variables = {variable["name"] for variable in file["templating"]["list"]}
    assert {"metrics", *(choice.name for choice in dashboard.choices)} <= variables


def test_shares_count_what_the_objectives_count() -> None:
    """What a person cancelled is not unsent, and a probe is no request."""
    for where, expression in EXPRESSIONS.items():
        for given in re.findall(r"tocsin_deliveries_total\{([^}]*)\}", expression):
            assert 'fault!="recipient"' not in given or 'status!="cancelled"' in given, where
        if '"5.."' in expression:
            for given in re.findall(r"tocsin_http_requests_total\{([^}]*)\}", expression):
                assert 'route!~"/livez|/readyz|/metrics"' in given, where


@pytest.mark.parametrize(
    "where",
    [
        *(
            f"overview: Handed over in time ({objective.lane}, {objective.within:g} s)"
            for objective in OBJECTIVES
            if objective.within
        ),
        "Which share of critical messages was handed over within 10 s?",
    ],
)
def test_in_time_is_what_the_objective_calls_so(where: str) -> None:
    assert series_of(EXPRESSIONS[where]) == {
        "tocsin:objective_missed:rate5m",
        "tocsin:objective_counted:rate5m",
    }
