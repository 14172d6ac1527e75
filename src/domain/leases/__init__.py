"""Credentials with an end: when they are renewed, and when they may still sign."""
