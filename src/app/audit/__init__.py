"""`doka audit` put together: both sides are found, read into the audit file, and what came of it is told."""
