"""Connecting, what is used of aiokafka beyond its public names, questions about offsets, unreadable header names."""
