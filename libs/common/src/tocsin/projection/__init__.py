"""What a service needs that keeps rows made of a log: positions that move together with them, and what could not be read."""

from tocsin.projection.positions import Positions, rows_touched
from tocsin.projection.unreadable import keep_unreadable

__all__ = ["Positions", "keep_unreadable", "rows_touched"]
