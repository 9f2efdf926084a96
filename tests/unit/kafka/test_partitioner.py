import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kafka.produce.partitioner import murmur2, partition_for

# org.apache.kafka.common.utils.UtilsTest.testMurmur2 of the Java client, there as signed integers.
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "signed"), JAVA.items())
def test_murmur2_is_the_java_clients(key, signed):
    assert murmur2(key) == signed & 0xFFFFFFFF
    assert partition_for(key, 12) == (signed & 0x7FFFFFFF) % 12


@given(st.binary(max_size=64), st.integers(1, 100))
def test_every_key_has_a_partition(key, count):
    assert 0 <= partition_for(key, count) < count
