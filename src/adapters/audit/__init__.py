"""The audit file: what should have landed, what did, and what was found out, in a DuckDB database that anyone can query."""
