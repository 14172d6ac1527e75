"""What `make` runs beside the `doka` command."""
