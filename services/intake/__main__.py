"""Composition of intake: `python -m services.intake --help`."""

import sys

from services.contracts.topics import topic, urgent_topic
from services.intake import activities, api, consumer
from services.runtime.process import Service, main
from services.runtime.relay import Topics

SERVICE = Service(
    name="intake",
    title="Intake",
    description="What happened, and who must know now.",
    routers=[api.router],
    topics=Topics(normal=topic("intake"), urgent=urgent_topic("intake")),
    consumes=[topic("directory")],
    handlers=consumer.HANDLERS,
    activities=activities.build,
    body_limits=api.BODY_LIMITS,
)

if __name__ == "__main__":
    sys.exit(main(SERVICE))
