"""Composition of reporting: `python -m services.reporting --help`."""

import sys

from services.contracts.taxonomy import OPERATORS
from services.contracts.topics import PUBLISHERS, topic, urgent_topic
from services.reporting import activities, api, consumer, metrics
from services.reporting.exports import api as exports
from services.reporting.filters import api as filters
from services.reporting.governance import api as governance
from services.reporting.packs import api as packs
from services.reporting.packs import pages as shared_packs
from services.reporting.packs import reference
from services.reporting.patterns import api as patterns
from services.reporting.policy import POLICIES
from services.reporting.radar import api as radar
from services.reporting.rates import api as rates
from services.reporting.views import api as views
from services.reporting.webhooks import api as webhooks
from services.runtime import policies
from services.runtime.operations import operations
from services.runtime.process import Service, main
from services.runtime.relay import Topics

SERVICE = Service(
    name="reporting",
    title="Reporting",
    description="What it all adds up to, and can we show it.",
    routers=[
        api.router,
        exports.router,
        filters.router,
        patterns.router,
        radar.router,
        rates.router,
        reference.router,
        governance.router,
        webhooks.router,
        views.router,
        packs.router,
        shared_packs.router,
        policies.router(POLICIES),
        operations("reporting", OPERATORS),
    ],
    topics=Topics(normal=topic("reporting"), urgent=urgent_topic("reporting")),
    consumes=[topic(publisher) for publisher in PUBLISHERS],
    consumes_urgent=[urgent_topic(publisher) for publisher in PUBLISHERS],
    batch_handler=consumer.project,
    activities=activities.build,
    collectors=metrics.build,
)

if __name__ == "__main__":
    sys.exit(main(SERVICE))
