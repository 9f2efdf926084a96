"""The records that tell every process of a box that has moved."""

from collections.abc import Collection, Mapping

from tocsin.contracts.codec import encode
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.inbox import MOST_CHANGED, BoxMoved
from tocsin.contracts.topics import Topics
from tocsin.kafka import ProducerRecord


def moved(topics: Topics, boxes: Mapping[tuple[str, str], Collection[str]]) -> list[ProducerRecord]:
    """One for each box (tenant, recipient), with the ids of items that were changed."""
    return [
        ProducerRecord(
            topics.inbox,
            recipient_key(tenant, recipient),
            encode(
                BoxMoved(
                    tenant=tenant,
                    recipient=recipient,
                    changed=list(dict.fromkeys(changed))[-MOST_CHANGED:],
                )
            ),
        )
        for (tenant, recipient), changed in boxes.items()
    ]
