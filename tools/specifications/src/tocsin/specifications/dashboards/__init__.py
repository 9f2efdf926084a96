"""Dashboards as data, and the files that Grafana reads."""

from tocsin.specifications.dashboards.capacity import CAPACITY
from tocsin.specifications.dashboards.kafka_and_database import KAFKA_AND_DATABASE
from tocsin.specifications.dashboards.lane import LANE
from tocsin.specifications.dashboards.overview import OVERVIEW
from tocsin.specifications.dashboards.path import PATH
from tocsin.specifications.dashboards.provider import PROVIDER

DASHBOARDS = (OVERVIEW, LANE, PROVIDER, PATH, KAFKA_AND_DATABASE, CAPACITY)
"""In the order in which they are offered."""

__all__ = ["DASHBOARDS"]
