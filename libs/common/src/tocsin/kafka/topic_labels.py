"""Bounded metric labels of a topic's name."""

LANES = frozenset({"critical", "transactional", "bulk"})


def kind_and_lane(topic: str, *, prefix: str) -> tuple[str, str]:
    """``tocsin.jobs.email.critical`` is ("jobs", "critical"); a topic without lane has the lane "none"."""
    parts = topic.removeprefix(prefix).split(".")
    lane = next((part for part in parts[1:] if part in LANES), "none")
    return parts[0], lane


def service_and_lane(group: str, *, prefix: str) -> tuple[str, str]:
    """``tocsin.dispatch-email.critical`` is ("dispatch-email", "critical")."""
    service, _, lane = group.removeprefix(prefix).rpartition(".")
    return (service, lane) if service else (lane, "none")
