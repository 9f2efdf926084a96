"""All scenarios, by what is harmed. Importing this package makes them known."""

from scenarios import (  # noqa: F401
    broker,
    cancellations,
    database,
    deaths,
    failover,
    failpoints,
    handovers,
    ledger_behind,
    neighbours,
    network,
    nodes,
    outages,
    poison,
    producers,
    providers,
    redrives,
    rollouts,
    scheduling,
    soak,
    stops,
)
