"""What can never land: how it is found, what becomes of it, what waits behind it."""
