"""The service: settings, the container, the loop, the command line."""
