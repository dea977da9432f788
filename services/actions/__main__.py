"""Composition of actions: `python -m services.actions --help`."""

import sys

from services.actions import activities, api, consumer, policy
from services.actions.agreeing import api as agreeing
from services.actions.cancellation import api as cancellation
from services.actions.evidence_file import api as evidence_file
from services.actions.extension import api as extension
from services.actions.impact import api as impact
from services.actions.people import api as people
from services.actions.sampling import api as sampling
from services.actions.sites import api as sites
from services.actions.strength import api as strength
from services.actions.verification import api as verification
from services.contracts.taxonomy import OPERATORS
from services.contracts.topics import topic, urgent_topic
from services.runtime import policies
from services.runtime.operations import operations
from services.runtime.process import Service, main
from services.runtime.relay import Topics

SERVICE = Service(
    name="actions",
    title="Actions",
    description="What changes, was it done, did it work.",
    routers=[
        api.router,
        agreeing.router,
        cancellation.router,
        evidence_file.router,
        extension.router,
        impact.router,
        people.router,
        policies.router(policy.POLICIES),
        sampling.router,
        sites.router,
        strength.router,
        verification.router,
        operations("actions", OPERATORS),
    ],
    topics=Topics(normal=topic("actions"), urgent=urgent_topic("actions")),
    consumes=[topic("directory"), topic("intake"), topic("review")],
    consumes_urgent=[urgent_topic("intake")],
    handlers=consumer.HANDLERS,
    activities=activities.build,
    body_limits=evidence_file.BODY_LIMITS,
)

if __name__ == "__main__":
    sys.exit(main(SERVICE))
