"""Every number that is somebody's limit, with its unit in its name and its source beside it.

Relations between them are asserted at import, so that a changed number cannot quietly break another.
"""

from __future__ import annotations

NS_PER_SECOND = 1_000_000_000
NS_PER_MS = 1_000_000

# Kinesis PutRecords, https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
PUT_RECORDS_MAX = 500
PUT_BYTES_MAX = 10 * 1024 * 1024  # partition keys included; was 5 MiB until 2025, and stand-ins still say so
RECORD_BYTES_DEFAULT = 1024 * 1024  # data + key, unless UpdateMaxRecordSize raised it for the stream
RECORD_BYTES_MAX = 10 * 1024 * 1024
PARTITION_KEY_CHARACTERS_MAX = 256
PARTITION_KEY_BYTES_MAX = 4 * PARTITION_KEY_CHARACTERS_MAX  # UTF-8

# One shard, https://docs.aws.amazon.com/kinesis/latest/dev/service-sizes-and-limits.html
SHARD_RECORDS_PER_SECOND = 1000
SHARD_BYTES_PER_SECOND = 1024 * 1024

# Reading one shard, for all who read it by GetRecords together (those with enhanced fan-out have their own);
# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
SHARD_READS_PER_SECOND = 5
SHARD_READ_BYTES_PER_SECOND = 2 * 1024 * 1024
GET_RECORDS_MAX = 10_000

# STS AssumeRole, https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
ROLE_SECONDS_MIN = 900
ROLE_SECONDS_MAX = 43_200
CHAINED_ROLE_SECONDS_MAX = 3_600
SESSION_NAME_PATTERN = r"[A-Za-z0-9_+=,.@-]{2,64}"

# Our own.
ROUTES_OF_A_TOPIC_MAX = 8  # each holds all that is fetched of it until it has settled there
FETCH_RECORDS_MAX = 5_000  # one event; beyond it the columns outgrow the CPU's cache and nothing is won
KEY_CACHE_BYTES = 4 * 1024 * 1024  # of each cache of keys: one route, and the default of limits.held_mib
RECORD_OVERHEAD_BYTES = 250  # what CPython adds to a held record: two bytes objects, an int, five list slots
BACKOFF_FIRST_NS = 100 * NS_PER_MS
BACKOFF_LAST_NS = 60 * NS_PER_SECOND
RETRY_BACKOFF_LAST_NS = 10 * NS_PER_SECOND
THROTTLE_BACKOFF_LAST_NS = 5 * NS_PER_SECOND
PACED_BACKOFF_LAST_NS = 1 * NS_PER_SECOND  # a shard counts by the second, and its pace bounds how much is tried
COMMIT_GIVEN_UP_NS = 60 * NS_PER_SECOND  # librdkafka answers an OffsetCommit within socket.timeout.ms (60 s)
PARTIAL_PUT_WAIT_NS = 5 * NS_PER_MS  # how long a request that is not full waits while others are in flight
STALL_BEFORE_PAUSE_NS = 500 * NS_PER_MS  # pausing throws the prefetched queue away, so it comes late
STOP_TOLD_EVERY_NS = 5 * NS_PER_SECOND  # what a stop still waits for
# A stream that is known is described again, for it may be changed at any time. DescribeStreamSummary is answered 20 times
# a second for a whole account (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_DescribeStreamSummary.html):
# at this pace 6,000 members with a route each.
DESCRIBE_EVERY_NS = 300 * NS_PER_SECOND
DESCRIBE_WAITED_EVERY_NS = 60 * NS_PER_SECOND  # while a record waits that a higher limit would let land
DESCRIBE_HINT_NS = 10 * NS_PER_SECOND  # after a hint of a change; doubled for each that came to nothing
SURE_OF_LIMIT_NS = 10 * NS_PER_SECOND  # how long after an answer a record may be put aside as too large
SERVE_CALLBACKS_NS = 100 * NS_PER_MS  # callbacks and signal handlers wait for the longest fetch

assert PUT_RECORDS_MAX * PARTITION_KEY_BYTES_MAX < PUT_BYTES_MAX
assert RECORD_BYTES_MAX <= PUT_BYTES_MAX
assert ROLE_SECONDS_MIN < CHAINED_ROLE_SECONDS_MAX < ROLE_SECONDS_MAX
assert BACKOFF_FIRST_NS < PACED_BACKOFF_LAST_NS < THROTTLE_BACKOFF_LAST_NS < BACKOFF_LAST_NS
assert SURE_OF_LIMIT_NS <= DESCRIBE_HINT_NS < DESCRIBE_WAITED_EVERY_NS < DESCRIBE_EVERY_NS
assert SERVE_CALLBACKS_NS < STALL_BEFORE_PAUSE_NS
