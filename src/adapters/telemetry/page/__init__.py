"""The page at `GET /`: what this service does now, for a person with a browser, drawn from /status.json."""
