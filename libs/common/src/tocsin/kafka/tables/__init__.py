"""Compacted topics as tables in memory: read to their end, then followed."""
