import pytest

from tocsin.kafka import (
    ConsumerRecord,
    Plan,
    PlanRefused,
    RecordMetadata,
    TopicSpec,
    read_back_metadata,
    read_back_position,
)
from tocsin.kafka.lag import kind_and_lane, service_and_lane
from tocsin.kafka.topics.plan import change_of

SPEC = TopicSpec(name="t", partitions=4, retention_ms=1000)


def test_an_absent_topic_is_created_with_all_settings():
    change = change_of(SPEC, partitions=None, settings={})
    assert change.action == "create"
    assert change.settings["message.timestamp.type"] == (None, "LogAppendTime")
    assert change.settings["retention.ms"] == (None, "1000")


def test_equal_is_same_and_foreign_settings_do_not_matter():
    change = change_of(SPEC, partitions=4, settings=SPEC.settings | {"segment.ms": "1"})
    assert change.action == "same"
    assert Plan(changes=(change,), starts=()).empty


def test_a_difference_is_shown():
    change = change_of(SPEC, partitions=4, settings=SPEC.settings | {"retention.ms": "5"})
    assert (change.action, change.settings) == ("configure", {"retention.ms": ("5", "1000")})
    assert not Plan(changes=(change,), starts=()).empty


def test_partition_counts_are_never_changed():
    with pytest.raises(PlanRefused, match="move to a new topic prefix"):
        change_of(SPEC, partitions=3, settings=SPEC.settings)


def test_metadata_holds_the_read_back_position():
    assert read_back_position(read_back_metadata(12)) == 12
    for nothing in ("", "{}", '{"read_back":-1}', '{"read_back":"1"}', "[", "\x00", "kafka-ui"):
        assert read_back_position(nothing) is None


@pytest.mark.parametrize(
    ("topic", "labels"),
    [
        ("tocsin.events.critical", ("events", "critical")),
        ("tocsin.jobs.email.bulk", ("jobs", "bulk")),
        ("tocsin.events.bulk.acme", ("events", "bulk")),
        ("tocsin.directory", ("directory", "none")),
    ],
)
def test_labels_of_topics_are_bounded(topic, labels):
    assert kind_and_lane(topic, prefix="tocsin.") == labels


def test_names():
    assert service_and_lane("tocsin.dispatch-email.critical", prefix="tocsin.") == (
        "dispatch-email",
        "critical",
    )
    assert ConsumerRecord("t", 1, 2, 3, None, None).ref == RecordMetadata("t", 1, 2, 3).ref == "t/1/2"
