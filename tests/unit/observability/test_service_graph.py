"""The service graph of tests finds the pairs that Jaeger and Tempo find, and no others."""

from tocsin.testing.service_graph import service_graph
from tocsin.testing.span_collector import ReceivedSpan


def made(service: str, kind: str, number: int, parent: int | None = None, **said: str) -> ReceivedSpan:
    return ReceivedSpan(
        service=service,
        resource={},
        conventions="",
        name="any",
        kind=kind,
        trace="t",
        id=str(number),
        parent="" if parent is None else str(parent),
        attributes=dict(said),
        links=[],
        error=None,
    )


def test_pairs_make_edges() -> None:
    spans = [
        made("ingest", "server", 1),
        made("ingest", "producer", 2, 1),
        made("router", "consumer", 3, 2),
        made("router", "client", 4, 3, **{"db.system.name": "postgresql", "server.address": "db"}),
        made("router", "producer", 5, 3),
        made("dispatch-sms", "consumer", 6, 5),
        made("dispatch-sms", "client", 7, 6, **{"server.address": "api.twilio.com"}),
        made("dispatch-sms", "client", 8, 6, **{"server.address": "own"}),
        made("own", "server", 9, 8),
    ]
    assert dict(service_graph(spans)) == {
        ("ingest", "router"): 1,
        ("router", "postgresql"): 1,
        ("router", "dispatch-sms"): 1,
        ("dispatch-sms", "api.twilio.com"): 1,
        ("dispatch-sms", "own"): 1,
    }


def test_spans_of_no_kind_make_none() -> None:
    """As all spans were before: one service below another, and nothing says that one called the other."""
    assert not service_graph([made("ingest", "internal", 1), made("router", "internal", 2, 1)])
    assert not service_graph([made("ingest", "producer", 1), made("router", "consumer", 2)])
