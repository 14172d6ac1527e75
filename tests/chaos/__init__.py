"""The real service, killed at random moments again and again, and a judge who reads what is left behind.

`python -m tests.chaos` (`make chaos`) runs a real broker in a container, a fake AWS as a process, and `doka run`, which
is killed with SIGKILL while a producer writes and faults fire. Nothing here trusts what the service says of itself: the
verdict comes from the producer's acknowledgements, the stream's landings and the group's committed offsets.
"""
