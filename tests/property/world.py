"""A world around one forwarder, that judges every command in the moment in which it is given.

state.py    who owns what, and what was asked for
turns.py    something happens, the machine decides
orders.py   its commands are judged; requests in puts.py
inside.py   its places and counts are judged
kafka.py, aws.py   what may happen next; a driver decides when and how
"""

from __future__ import annotations

from tests.property.aws import Aws
from tests.property.kafka import Kafka


class World(Kafka, Aws):
    """The outside of one forwarder. What it is asked to do it notes; a driver decides when and how it is answered."""
