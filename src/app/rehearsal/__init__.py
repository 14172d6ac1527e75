"""What a route makes of records before any is sent, and what is expected of them."""
