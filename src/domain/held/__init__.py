"""What is held of a partition until it is settled: the ledger, the lanes of its keys, the bytes."""
