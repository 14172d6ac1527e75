"""What a person and a scraper see: logs, metrics, health.

`ServiceTelemetry` is the port's real adapter; it is made of `Metrics`, `Log`, `Health` and `HealthServer`.
Nothing in here may raise into the loop, make it wait, or show a payload, a key or a secret.
"""
