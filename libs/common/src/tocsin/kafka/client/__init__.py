"""The seams to aiokafka: what is touched beyond its public names, questions about offsets, unreadable header names."""
