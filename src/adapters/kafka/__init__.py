"""Apache Kafka as one consumer-group member (confluent-kafka)."""
