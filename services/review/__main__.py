"""Composition of review: `python -m services.review --help`."""

import sys

from services.contracts.topics import topic, urgent_topic
from services.review import activities, api, consumer
from services.review.sharing import api as sharing
from services.runtime.process import Service, main
from services.runtime.relay import Topics

SERVICE = Service(
    name="review",
    title="Review",
    description="Why it happened, what was learned, and who has learned it.",
    routers=[api.router, sharing.router],
    topics=Topics(normal=topic("review"), urgent=urgent_topic("review")),
    consumes=[topic("directory"), topic("intake")],
    consumes_urgent=[urgent_topic("intake")],
    handlers=consumer.HANDLERS,
    activities=activities.build,
)

if __name__ == "__main__":
    sys.exit(main(SERVICE))
