"""The outside world, one folder for each thing; they meet only through domain types."""
