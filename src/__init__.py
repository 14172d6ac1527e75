"""doka forwards records from Apache Kafka to Amazon Kinesis in another AWS account, and loses none.

It is a service, not a library: what others may build on is what stands in `__all__`, and nothing else keeps its shape.

    doka.testing    simulate a scenario in one's own test suite, by one's own configuration
"""

__all__ = ["testing"]
