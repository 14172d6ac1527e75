"""Sending what Kafka still has once more, by the service's own machine, beside the service or in its absence."""
