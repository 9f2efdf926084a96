"""Slots: fixed sets of partition numbers (``partition % slots``), the unit of ownership in a lane."""


def slot_of(partition: int, slots: int) -> int:
    """The slot that a partition number belongs to, in every topic of the lane."""
    return partition % slots


def transactional_id(group: str, slot: int) -> str:
    """``<group>.<slot>``, where the group already is ``<service>.<lane>``."""
    return f"{group}.{slot}"
