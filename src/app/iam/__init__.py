"""`doka policy`: every IAM document that a configuration needs, from one table of what doka calls."""
