"""What `limits.held_mib` is for: all memory that records take, wherever they are on their way.

    records held by the domain, with what CPython adds to each     5/16
    librdkafka's queue, and one answer of a broker beside it       3/16   adapters/kafka/client_settings.py
    bodies of requests in flight, which are base64                 3/16
    what is remembered of keys, in three caches                    3/16
    dead letters under way                                         1/16   adapters/kafka/letter_settings.py

The last sixteenth is the allocator's. `make bench CASE=memory` measures the sum against a service with nothing to do.
"""

from __future__ import annotations

from doka.app.settings.model import MIB

BASE64 = 4 / 3


def record_bytes(held_mib: int) -> int:
    """Give what the domain may hold, in bytes."""
    return held_mib * MIB * 5 // 16


def body_bytes(held_mib: int) -> int:
    """Give what the bodies of all requests in flight may take, in bytes."""
    return held_mib * MIB * 3 // 16


def key_cache_bytes(held_mib: int) -> int:
    """Give what each of the three caches of keys may take, in bytes, the caches of all routes together.

    They are the translated keys; their slices (where records are aggregated) or their shards (where not, and the stream throttles);
    and their JSON in bodies (where not aggregated).
    """
    return held_mib * MIB // 16


def request_bytes(held_mib: int, request_mib: int) -> int:
    """Give how large a request's payload may be, in bytes: as was asked for, but two bodies must fit."""
    return min(request_mib * MIB, int(body_bytes(held_mib) / 2 / BASE64))
