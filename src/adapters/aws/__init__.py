"""One AWS: the session, the signature, the service's clock, and on them STS and Kinesis."""
