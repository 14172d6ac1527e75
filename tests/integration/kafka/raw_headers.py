"""Records with headers whose names are any bytes, as a client of another language may write them.

The Python client takes only text for a name, so librdkafka is called beside it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from confluent_kafka import cimpl


def produce_raw_headers(servers: str, headers: Sequence[tuple[bytes, bytes]], *, key: bytes = b"key") -> None:
    """Write one record with these headers to partition 0 of `orders`."""
    library = ctypes.CDLL(cimpl.__file__)
    pointer, number, size = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
    library.rd_kafka_conf_new.restype = library.rd_kafka_new.restype = pointer
    conf, why = pointer(library.rd_kafka_conf_new()), ctypes.create_string_buffer(512)
    for name, setting in ((b"bootstrap.servers", servers.encode()), (b"log_level", b"0")):
        library.rd_kafka_conf_set(conf, name, setting, why, size(len(why)))
    client = pointer(library.rd_kafka_new(0, conf, why, size(len(why))))
    topic, value, of_key, header, partition, flags, end = 1, 4, 5, 9, 3, 7, 0  # rd_kafka_vtype_t
    own = [word for name, of in headers for word in (number(header), name, of, ctypes.c_ssize_t(len(of)))]
    assert 0 == library.rd_kafka_producev(
        client, number(topic), b"orders", number(partition), ctypes.c_int32(0), number(value), b"value", size(5),
        number(of_key), key, size(len(key)), number(flags), number(2), *own, number(end),
    )  # fmt: skip
    library.rd_kafka_flush(client, 20_000)
    library.rd_kafka_destroy(client)
