"""What an audit decides: what should have landed, what did, and what can be said of the difference."""
