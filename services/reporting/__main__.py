"""Composition of reporting: `python -m services.reporting --help`."""

import sys

from services.contracts.topics import PUBLISHERS, topic, urgent_topic
from services.reporting import api, consumer, metrics
from services.runtime.process import Service, main

SERVICE = Service(
    name="reporting",
    title="Reporting",
    description="What it all adds up to, and can we show it.",
    routers=[api.router],
    consumes=[topic(publisher) for publisher in PUBLISHERS],
    consumes_urgent=[urgent_topic(publisher) for publisher in PUBLISHERS],
    batch_handler=consumer.project,
    collectors=metrics.build,
)

if __name__ == "__main__":
    sys.exit(main(SERVICE))
