"""Who speaks to whom, computed from spans as Jaeger and Tempo do it."""

from collections import Counter
from collections.abc import Iterable

from tocsin.testing.span_collector import ReceivedSpan

Edge = tuple[str, str]
_ANSWERING = {"client": "server", "producer": "consumer"}


def service_graph(spans: Iterable[ReceivedSpan]) -> Counter[Edge]:
    """How often each service called another, or sent it a record: a CLIENT span above a SERVER span, a PRODUCER span above a CONSUMER span.
    Where a CLIENT span has none below it, the callee is the database or the address that it names. A span with another kind of child makes no edge."""
    known = {span.id: span for span in spans}
    edges: Counter[Edge] = Counter()
    answered: set[str] = set()
    for span in known.values():
        above = known.get(span.parent)
        if above is not None and _ANSWERING.get(above.kind) == span.kind:
            edges[above.service, span.service] += 1
            answered.add(above.id)
    for span in known.values():
        if span.kind == "client" and span.id not in answered:
            callee = span.attributes.get("db.system.name") or span.attributes["server.address"]
            edges[span.service, str(callee)] += 1
    return edges
