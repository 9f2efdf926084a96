"""Keeps what is due later, and writes it when it is due, exactly once.

timers.<lane> ─▶ timers_table (rows and position, one PostgreSQL transaction) ─▶ firing (one Kafka transaction: what was due, and `fired`)
      ▲                                                                             │
      └──────────────────────────────── read back: the row is deleted ◀─────────────┘
"""
