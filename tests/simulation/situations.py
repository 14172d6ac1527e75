"""The situations that a swarm must have been in: a rule that was never put to the test has not held.

Each is noted by the checker at the moment at which it is seen.
"""

from __future__ import annotations

SEEDS_FOR_ALL_SITUATIONS = 1_500
"""So many seeds reach all of them, with room: the rarest comes six times in a thousand."""

SITUATIONS = (
    # credentials
    "a lease was refused",
    "a lease was refused with a put in flight",
    "a lease was renewed with a put in flight",
    "a lease was answered after the stop was asked for",
    "a lease ended while records waited for another try",
    "a lease arrived past its end",
    "a lease arrived shorter than asked",
    "tokens were revoked with a put in flight",
    "a token ended between signing and arrival",
    "the process was suspended past the end of its lease",
    "the process stood still between a decision and its signature",
    "a lease ended between a decision and its signature",
    "STS was down at the start of a life",
    "a put was refused with ExpiredTokenException",
    "a put was refused with UnrecognizedClientException",
    "a put was refused with InvalidSignatureException",
    "a put was refused with AccessDeniedException",
    "a route was blocked: clock_skew",
    "a route was blocked: lease_refused",
    "a route was blocked: lease_rejected",
    # Kinesis
    "every entry of a put was refused",
    "the first entry was refused and a later one landed",
    "only the last entry of a put was refused",
    "a record was refused twice",
    "a put was ambiguous and had landed",
    "a put was ambiguous and had not landed",
    "a put never left the process",
    "a put landed after it was given up",
    "a record first landed after its sender's death",
    "a shard was split with a put in flight",
    "shards were merged with a put in flight",
    "a put of one entry",
    "a put of twenty entries or more",
    "a put of aggregates",
    "a put was refused with ResourceNotFoundException",
    "a put was refused with ResourceInUseException",
    "a put was refused with InvalidArgumentException",
    "a route was blocked: InvalidArgumentException",
    "a route was blocked: auto_distribution",
    "a route was blocked: stream_creating",
    # Kafka
    "revoked with a put in flight",
    "a put was ambiguous in the drain of its partition",
    "lost with a put in flight",
    "lost with a commit in flight",
    "a neighbour begins before we know that we lost",
    "a rebalance began while a revoke was under way",
    "the same partition came back to its owner",
    "a commit was refused",
    "a commit was stored and its answer lost",
    "the input offset jumps",
    "a gap in the input",
    "a topic was recreated",
    "a topic was recreated with records in hand",
    "a recreated topic was read from its start",
    "settled records are delivered again",
    "a partition was paused and resumed",
    # dead letters and the process
    "a dead letter was acknowledged",
    "a dead letter was refused or not acknowledged",
    "a poison record was met, policy block",
    "a poison record was met, policy drop",
    "a poison record was met, policy dead_letter",
    "died with a put in flight",
    "died between settling and committing",
    "died inside the drain of a revoke",
    "died twice without a record in between",
    "revoked while stopping",
    "a second stop was asked for while the first was under way",
)
