"""What a route's traffic would cost in Kinesis, by each way of sending it: computed from what was read, with no I/O."""
