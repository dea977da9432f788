"""Composition of directory: `python -m services.directory --help`."""

import sys

from services.contracts.taxonomy import OPERATORS
from services.contracts.topics import topic, urgent_topic
from services.directory import activities, api
from services.directory.absence import api as absence
from services.directory.contract import api as contract
from services.directory.notices import api as notices
from services.runtime.operations import operations
from services.runtime.process import Service, main
from services.runtime.relay import Topics

SERVICE = Service(
    name="directory",
    title="Directory",
    description="Who and where.",
    routers=[api.router, absence.router, contract.router, notices.router, operations("directory", OPERATORS)],
    topics=Topics(normal=topic("directory"), urgent=urgent_topic("directory")),
    activities=activities.build,
    body_limits=api.BODY_LIMITS,
)

if __name__ == "__main__":
    sys.exit(main(SERVICE))
