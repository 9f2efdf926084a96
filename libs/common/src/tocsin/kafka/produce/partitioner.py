"""Which partition a key belongs to: murmur2, exactly as the Java client computes it."""

import struct
from functools import lru_cache

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The 32-bit murmur2 of ``data`` with Kafka's seed, unsigned."""
    length = len(data)
    h = (_SEED ^ length) & _MASK
    whole = length & ~3
    for k in struct.unpack_from(f"<{whole >> 2}I", data):
        m = (k * _M) & _MASK
        m ^= m >> 24
        h = ((h * _M) & _MASK) ^ ((m * _M) & _MASK)
    if whole != length:
        h ^= int.from_bytes(data[whole:], "little")
        h = (h * _M) & _MASK
    h ^= h >> 13
    h = (h * _M) & _MASK
    return h ^ (h >> 15)


@lru_cache(maxsize=65_536)
def partition_for(key: bytes, count: int) -> int:
    """The partition (0 to ``count`` - 1) that the Java client's default partitioner gives to ``key``."""
    return (murmur2(key) & 0x7FFFFFFF) % count
