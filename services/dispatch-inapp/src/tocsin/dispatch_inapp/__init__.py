"""Keeps the inboxes of recipients, and answers the apps that show them.

jobs.inapp.<lane> ─▶ inbox (the provider) ─▶ item_batches: what waits together ─▶ items_table (items and counts, one PostgreSQL transaction)
                                                      │
                                                      └─▶ delivered ─▶ status.<lane>
/v1/inbox ─▶ items_api ─▶ reading_items
                    └───▶ changing_items (item_state: what follows; item, counts and a row in one transaction) ─▶ telling_changes ─▶ status.<lane>, inbox
/v1/inbox/events ─▶ streams_api ─┬▶ event_stream ─▶ reading_items
/v1/inbox/socket ─▶ box_socket ──┘        ▲
                     inbox ─▶ live_boxes ─┘ (a box has moved)
"""
