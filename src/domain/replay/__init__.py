"""Sending what Kafka still has once more: how fast beside a service that works, and how far it has come."""
