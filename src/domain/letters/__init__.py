"""What dead letters say, which of them are wanted, and which have been resent."""
