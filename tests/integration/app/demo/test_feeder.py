from confluent_kafka import Consumer

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.system.clock import SystemClock
from doka.app.demo.feeder import Feeder
from doka.app.demo.orders import orders
from tests.waiting import eventually


def test_every_order_is_fed_once() -> None:
    """What the feeder counts is in Kafka, each order under its customer's key."""
    with KafkaCluster() as cluster:
        cluster.create_topic("orders", 3)
        feeder = Feeder(cluster.bootstrap_servers, "orders", 600, 0.3, SystemClock())
        feeder.start()
        eventually(lambda: feeder.done, within=20, what="all orders are acknowledged")
        feeder.close()
        consumer = Consumer(
            {
                "bootstrap.servers": cluster.bootstrap_servers,
                "group.id": "check",
                "log_level": 0,
                "auto.offset.reset": "earliest",
            }
        )
        consumer.subscribe(["orders"])
        found: list[tuple[str, bytes]] = []

        def all_came() -> bool:
            found.extend(
                ((m.key() or b"").decode(), m.value() or b"") for m in consumer.consume(1_000, 0.2) if not m.error()
            )
            return len(found) >= 600

        eventually(all_came, within=20, what="600 records can be read")
        consumer.close()

    assert sorted(found) == sorted(orders(600))
    assert (feeder.fed, feeder.failed) == (600, None)


def test_a_feeder_that_is_closed_early_says_what_it_fed() -> None:
    """Closing stops the feeding at once; only what Kafka acknowledged is counted."""
    with KafkaCluster() as cluster:
        cluster.create_topic("orders", 3)
        feeder = Feeder(cluster.bootstrap_servers, "orders", 100_000, 100.0, SystemClock())
        feeder.start()
        eventually(lambda: feeder.fed > 0, within=20, what="the first orders are acknowledged")
        feeder.close()

    assert 0 < feeder.fed < 100_000
    assert not feeder.done
