"""Composition of actions: `python -m services.actions --help`."""

import sys

from services.actions import activities, api, consumer
from services.contracts.topics import topic, urgent_topic
from services.runtime.process import Service, main
from services.runtime.relay import Topics

SERVICE = Service(
    name="actions",
    title="Actions",
    description="What changes, was it done, did it work.",
    routers=[api.router],
    topics=Topics(normal=topic("actions"), urgent=urgent_topic("actions")),
    consumes=[topic("directory"), topic("intake")],
    consumes_urgent=[urgent_topic("intake")],
    handlers=consumer.HANDLERS,
    activities=activities.build,
)

if __name__ == "__main__":
    sys.exit(main(SERVICE))
