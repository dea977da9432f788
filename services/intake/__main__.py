"""Composition of intake: `python -m services.intake --help`."""

import sys

from services.contracts.taxonomy import OPERATORS
from services.contracts.topics import topic, urgent_topic
from services.intake import activities, api, consumer, metrics, policy, whole
from services.intake.attachments import api as attachments
from services.intake.candour import api as candour
from services.intake.checks import api as checks
from services.intake.details import api as details
from services.intake.escalation import api as escalation
from services.intake.holds import api as holds
from services.intake.linking import api as linking
from services.intake.obligations import api as obligations
from services.intake.obligations import reference
from services.intake.proceedings import api as proceedings
from services.intake.protection import api as protection
from services.intake.recurrence import api as recurrence
from services.intake.retention import api as retention
from services.intake.safeguarding import api as safeguarding
from services.intake.speak_up import api as speak_up
from services.intake.speak_up import pages as speak_up_pages
from services.runtime import policies
from services.runtime.operations import operations
from services.runtime.process import Service, main
from services.runtime.relay import Topics

SERVICE = Service(
    name="intake",
    title="Intake",
    description="What happened, and who must know now.",
    routers=[
        api.router,
        whole.router,
        details.router,
        attachments.router,
        escalation.router,
        obligations.router,
        reference.router,
        checks.router,
        candour.router,
        safeguarding.router,
        holds.router,
        protection.router,
        proceedings.router,
        recurrence.router,
        retention.router,
        linking.router,
        speak_up.router,
        speak_up_pages.router,
        policies.router(policy.POLICIES),
        operations("intake", OPERATORS),
    ],
    topics=Topics(normal=topic("intake"), urgent=urgent_topic("intake")),
    consumes=[topic("directory")],
    handlers=consumer.HANDLERS,
    activities=activities.build,
    collectors=metrics.build,
    body_limits={**api.BODY_LIMITS, **attachments.BODY_LIMITS},
)

if __name__ == "__main__":
    sys.exit(main(SERVICE))
