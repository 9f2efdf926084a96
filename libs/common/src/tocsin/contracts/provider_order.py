"""In which order a message's providers are tried where they have weights instead of an order."""

import math
from collections.abc import Mapping
from hashlib import blake2b

_POSSIBLE = 2.0**64


def weighted_order(weights: Mapping[str, int], delivery_id: str) -> list[str]:
    """All of the names; each is the first for so many of many deliveries as its weight says, and the next likewise among the rest.

    The order is computed from the delivery's id alone: decided again, and at each attempt, it is the same. Weights are at least 1.
    """
    return sorted(weights, key=lambda name: (_waiting(name, delivery_id) / weights[name], name))


def _waiting(name: str, delivery_id: str) -> float:
    """Exponentially distributed with mean 1: of several divided by their weights, each is the smallest as often as its weight says."""
    drawn = int.from_bytes(blake2b(f"{delivery_id}/{name}".encode(), digest_size=8).digest(), "big")
    return -math.log((drawn + 1) / _POSSIBLE)
