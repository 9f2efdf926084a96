"""Reading as a member of a consumer group.

Read `consumer_group` first: it is the life of a consumer from joining to leaving. `ownership` says what makes this process
the owner of the partitions it was given, `shard` is what a worker holds of them, and `exactly_once` and `projection`
are the two workers that more than one service uses.
"""
