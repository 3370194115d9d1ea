"""Puts one event of each of some users onto a topic, as a shop's own program would: JSON, the user
as key, everything else as the client does it by default.

    python produce.py kafka-python|confluent-kafka BROKER TOPIC USERS
"""

import json
import sys


def events(users):
    for number in range(users):
        user = f"u{number}"
        event = {"event_type": "view", "user_id": user, "product_id": "p"}
        yield user.encode(), json.dumps(event).encode()


def with_kafka_python(broker, topic, users):
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=broker)
    sent = [producer.send(topic, key=key, value=value) for key, value in events(users)]
    for one in sent:
        one.get(timeout=30)
    producer.close()


def with_confluent_kafka(broker, topic, users):
    from confluent_kafka import Producer

    failed = []
    producer = Producer({"bootstrap.servers": broker})
    for key, value in events(users):
        producer.produce(
            topic,
            key=key,
            value=value,
            on_delivery=lambda error, _: error and failed.append(error),
        )
    left = producer.flush(30)
    if failed or left:
        sys.exit(f"{left} not delivered, failed: {failed}")


if __name__ == "__main__":
    client, broker, topic, users = sys.argv[1:]
    produce = {
        "kafka-python": with_kafka_python,
        "confluent-kafka": with_confluent_kafka,
    }[client]
    produce(broker, topic, int(users))
