"""What a service needs that keeps rows made of a log: positions that move together with them."""

from tocsin.projection.positions import POSITIONS_TABLE, Positions, rows_touched

__all__ = ["POSITIONS_TABLE", "Positions", "rows_touched"]
