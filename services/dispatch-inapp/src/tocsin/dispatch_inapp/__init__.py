"""Keeps the inboxes of recipients.

jobs.inapp.<lane> ─▶ inbox (the provider) ─▶ item_batches: what waits together ─▶ items_table (items and counts, one PostgreSQL transaction)
                                                      │
                                                      └─▶ delivered ─▶ status.<lane>
"""
