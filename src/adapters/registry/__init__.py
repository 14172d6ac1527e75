"""Schema registries: asked for a schema, and what reads by it."""
