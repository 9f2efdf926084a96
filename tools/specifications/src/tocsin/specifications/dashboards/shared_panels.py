"""Panels that stand on two dashboards."""

from typing import Final

from tocsin.specifications.dashboards.panels import Unit, lines
from tocsin.specifications.dashboards.queries import query, total

IN_FLIGHT: Final = lines(
    "In flight, of what is allowed",
    "How near are dispatchers to the number of messages at which reading stops?",
    Unit.SHARE,
    query(f"{total('tocsin_in_flight', by='lane')} / ({total('tocsin_in_flight_limit', by='lane')} > 0)"),
)
CONNECTIONS: Final = lines(
    "Connections to the database, of what is allowed",
    "Do statements wait because all connections are in use?",
    Unit.SHARE,
    query(
        f"{total('tocsin_database_connections', by='component')} / {total('tocsin_database_connections_limit', by='component')}",
        "{{component}}",
    ),
)
