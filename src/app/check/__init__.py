"""`doka check`: tries out everything a service needs, step by step, and changes nothing anywhere."""
