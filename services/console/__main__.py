"""The console's process: `python -m services.console all`."""

import argparse
import sys

import uvicorn

from services.console.app import build_app
from services.console.pages import (
    account,
    action,
    administration,
    agreeing,
    body,
    briefing,
    briefing_follow_up,
    candour,
    checkpoint,
    checks,
    concern,
    contribution,
    directory,
    escalation,
    governance,
    handover,
    holds,
    incident,
    incident_change,
    incident_list,
    indicator,
    kept,
    known_cause,
    library,
    meeting,
    obligation,
    operations,
    overview,
    packs,
    pattern,
    policy,
    proceeding,
    protection,
    recurrence,
    report,
    retention,
    review,
    review_records,
    safeguarding,
    telling,
    theme,
    triage,
    work,
)
from services.console.settings import ConsoleSettings
from services.runtime import logs

ROUTERS = [
    one.router
    for one in (
        work,
        escalation,
        action,
        body,
        review_records,
        review,
        briefing,
        briefing_follow_up,
        checkpoint,
        concern,
        contribution,
        governance,
        meeting,
        pattern,
        theme,
        kept,
        known_cause,
        administration,
        directory,
        policy,
        report,
        operations,
        overview,
        packs,
        triage,
        telling,
        obligation,
        candour,
        safeguarding,
        checks,
        holds,
        protection,
        proceeding,
        retention,
        recurrence,
        incident_change,
        incident_list,
        indicator,
        agreeing,
        handover,
        library,
        incident,
        account,
    )
]


def main() -> int:
    """Serve the console until stopped."""
    parser = argparse.ArgumentParser(
        prog="python -m services.console",
        description="The pages of Plumbline. Settings come from PLUMBLINE_* variables.",
    )
    parser.add_argument("role", choices=["api", "all"], help="both serve the pages")
    parser.parse_args()
    settings = ConsoleSettings()
    logs.configure(settings.log_level, service="console")
    uvicorn.run(
        build_app(settings, ROUTERS),
        host=settings.http_host,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
