"""All scenarios, by what is harmed. Importing this package makes them known."""

from scenarios import broker, database, deaths, failpoints, handovers, neighbours, poison, soak, stops  # noqa: F401
