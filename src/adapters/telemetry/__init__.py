"""What a person and a scraper see: logs, metrics, health."""
