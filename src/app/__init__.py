"""The service: settings, the container, the loop, the command line."""

EXIT_USAGE = 2
"""What a process leaves with that was asked for what cannot be: bad usage, or a wrong configuration."""
