"""`doka demo`: the whole path on embedded parts, fed, watched and judged."""
