"""Whether AWS does what doka's guarantees lean on: asked of the real one, with doka's own adapters."""
