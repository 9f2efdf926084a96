"""The ways into an installation: every documented path leads to its service, on one host, and no path leads nowhere."""

import json
from pathlib import Path

import pytest
from tests.rendered_manifests import OVERLAYS, Manifests, Object, manifests

from tocsin.dev.entry import owner
from tocsin.dispatch_inapp.box_socket import PATH as SOCKET
from tocsin.ingest.settings import IngestSettings
from tocsin.runtime.http import HttpSettings

DOCUMENTS = Path(__file__).parents[3] / "docs" / "contracts" / "openapi"
PATHS = [
    (service, path)
    for service in ("ingest", "ledger", "router", "dispatch-inapp")
    for path in json.loads((DOCUMENTS / f"{service}.json").read_text())["paths"]
] + [("dispatch-inapp", SOCKET)]
ADMIN = ("/v1/tenants", "/v1/api-keys")


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> Manifests:
    return manifests(request.param)


def routes(route: Object) -> dict[str, str]:
    """Path prefix → the Service it leads to."""
    return {
        match["path"]["value"]: backend["name"]
        for rule in route["spec"]["rules"]
        for backend in rule["backendRefs"]
        for match in rule["matches"]
    }


def leads_to(path: str, table: dict[str, str]) -> str | None:
    """As the Gateway API has it: the longest prefix of whole segments decides."""
    segments = path.split("/")
    fitting = [prefix for prefix in table if segments[: prefix.count("/") + 1] == prefix.split("/")]
    return table[max(fitting, key=len)] if fitting else None


def test_every_documented_path_leads_to_its_service_on_one_host_as_in_the_local_stack(
    overlay: Manifests,
) -> None:
    tables = {name: routes(overlay.named("HTTPRoute", name)) for name in ("public", "admin")}
    for service, path in PATHS:
        host, other = ("admin", "public") if path.startswith(ADMIN) else ("public", "admin")
        assert (leads_to(path, tables[host]), leads_to(path, tables[other])) == (service, None), path
        assert owner(path) == service


def test_no_route_leads_where_nobody_answers(overlay: Manifests) -> None:
    for name in ("public", "admin"):
        for prefix, service in routes(overlay.named("HTTPRoute", name)).items():
            assert any(leads_to(path, {prefix: service}) for own, path in PATHS if own == service), prefix
            assert overlay.named("Service", service)


def test_what_providers_call_leads_to_the_role_with_the_path_that_it_knows(overlay: Manifests) -> None:
    for channel in ("email", "sms"):
        route = overlay.named("HTTPRoute", f"dispatch-{channel}-callbacks")
        assert route["spec"]["parentRefs"] == [{"name": "public"}]
        assert "hostnames" not in route["spec"], "its Gateway's host is the route's"
        (rule,) = route["spec"]["rules"]
        assert routes(route) == {f"/{channel}/callbacks": f"dispatch-{channel}-callbacks"}
        assert overlay.named("Service", f"dispatch-{channel}-callbacks")
        (rewritten,) = rule["filters"]
        assert rewritten["urlRewrite"]["path"] == {
            "type": "ReplacePrefixMatch",
            "replacePrefixMatch": "/callbacks",
        }
        shared = overlay.generated("tocsin")
        assert shared[f"DISPATCH_{channel.upper()}_CALLBACKS_URL"] == f"{shared['PUBLIC_URL']}/{channel}"


def test_the_two_hosts_have_a_gateway_each(overlay: Manifests) -> None:
    hosts = set()
    for name in ("public", "admin"):
        route, gateway = overlay.named("HTTPRoute", name), overlay.named("Gateway", name)
        assert route["spec"]["parentRefs"] == [{"name": name}]
        (listener,) = gateway["spec"]["listeners"]
        assert (listener["protocol"], [listener["hostname"]]) == ("HTTPS", route["spec"]["hostnames"])
        hosts.add(listener["hostname"])
    assert len(hosts) == 2
    assert overlay.generated("tocsin")["PUBLIC_URL"] == (
        f"https://{overlay.named('Gateway', 'public')['spec']['listeners'][0]['hostname']}"
    )


def test_an_answer_has_time_for_the_slowest_body(overlay: Manifests) -> None:
    body = HttpSettings.model_fields["body_timeout"].default
    stored = IngestSettings.model_fields["publish_timeout"].default
    for route in overlay.of_kind("HTTPRoute"):
        for rule in route["spec"]["rules"]:
            assert float(rule["timeouts"]["request"].removesuffix("s")) >= body + stored
