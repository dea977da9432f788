"""Composition of review: `python -m services.review --help`."""

import sys

from services.contracts.taxonomy import OPERATORS
from services.contracts.topics import topic, urgent_topic
from services.review import activities, api, consumer, policy
from services.review.backtest import api as backtest
from services.review.causes import api as causes
from services.review.just_culture import api as just_culture
from services.review.methods import api as methods
from services.review.records import api as records
from services.review.sharing import api as sharing
from services.review.thematic import api as thematic
from services.runtime import policies
from services.runtime.operations import operations
from services.runtime.process import Service, main
from services.runtime.relay import Topics

SERVICE = Service(
    name="review",
    title="Review",
    description="Why it happened, what was learned, and who has learned it.",
    routers=[
        backtest.router,
        api.router,
        causes.router,
        just_culture.router,
        methods.router,
        records.router,
        sharing.router,
        thematic.router,
        policies.router(policy.POLICIES),
        operations("review", OPERATORS),
    ],
    topics=Topics(normal=topic("review"), urgent=urgent_topic("review")),
    consumes=[topic("directory"), topic("intake"), topic("actions"), topic("reporting")],
    consumes_urgent=[urgent_topic("intake")],
    handlers=consumer.HANDLERS,
    activities=activities.build,
)

if __name__ == "__main__":
    sys.exit(main(SERVICE))
