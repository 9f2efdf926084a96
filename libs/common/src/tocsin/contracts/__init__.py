"""What crosses Kafka: records, identities, topics, limits. Imports nothing but msgspec."""
