"""Real parts that run inside one process tree, for the demo and the tests: a Kafka mock cluster, moto, a gate that expires tokens."""
