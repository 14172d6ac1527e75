"""Topics -> one stream: whether requests may leave, what an answer changes."""
