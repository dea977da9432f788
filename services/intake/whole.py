"""An incident with all that intake keeps beside it, in one read: for a page that shows the whole of it."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel

from services.contracts.taxonomy import Role
from services.intake import queries
from services.intake.attachments import api as attachments_api
from services.intake.candour import api as candour_api
from services.intake.candour import queries as candour
from services.intake.checks import queries as checks
from services.intake.details import queries as details
from services.intake.escalation import queries as escalation
from services.intake.holds import queries as holds
from services.intake.linking import api as linking_api
from services.intake.linking import queries as linking
from services.intake.obligations import queries as obligations
from services.intake.protection import queries as protection
from services.intake.recurrence import api as recurrence_api
from services.intake.recurrence import queries as recurrence
from services.intake.safeguarding import api as safeguarding_api
from services.intake.safeguarding import queries as safeguarding
from services.intake.safeguarding.store import Safeguarding
from services.intake.store import visible_incident
from services.runtime.app import Database, Time
from services.runtime.auth import Caller
from services.runtime.db import transaction

router = APIRouter(tags=["incidents"])

Part = TypeVar("Part")


class WholeView(BaseModel):
    """Each part as its own endpoint answers it; null where the caller's roles may not read it, or it is not there yet."""

    incident: queries.IncidentView
    escalations: list[escalation.EscalationView]
    obligations: obligations.ObligationsView
    checks: list[checks.CheckView]
    attachments: list[attachments_api.AttachmentView]
    questions: details.QuestionsView
    candour: candour.CandourView | None
    safeguarding: safeguarding.SafeguardingView | None
    holds: list[holds.HoldView] | None
    protections: list[protection.ProtectionView] | None
    links: linking.LinksView | None
    recurrences: list[recurrence.RecurrenceView] | None


@router.get("/incidents/{incident_id}/whole", summary="Read an incident with all that belongs to it")
def read(incident_id: UUID, actor: Caller, database: Database, clock: Time, response: Response) -> WholeView:
    """In one transaction, and as one look at it where it is restricted. The ETag is the incident's version."""
    now = clock.now()

    def part(roles: tuple[Role, ...], look: Callable[[], Part]) -> Part | None:
        return look() if actor.roles.intersection(roles) else None

    keepers = (*safeguarding_api.KEEPERS, Role.DIRECTOR)
    with transaction(database, actor.provider_id) as session:
        incident = visible_incident(session, actor, incident_id, now=now)
        response.headers["ETag"] = f'"{incident.version}"'
        recorded = session.get(Safeguarding, incident_id) is not None
        return WholeView(
            incident=queries.view(session, actor, incident),
            escalations=escalation.escalations(session, incident_id),
            obligations=obligations.obligations(session, incident),
            checks=checks.checks(session, incident, now),
            attachments=attachments_api.attached(session, incident_id),
            questions=details.questions(session, actor, incident),
            candour=part((*candour_api.RECORDERS, Role.DIRECTOR), lambda: candour.view(session, incident)),
            safeguarding=part(keepers, lambda: safeguarding.view(session, incident_id)) if recorded else None,
            holds=part(keepers, lambda: holds.holds(session, incident_id)),
            protections=part(keepers, lambda: protection.protections(session, incident_id)),
            links=part(linking_api.KEEPERS, lambda: linking.links(session, actor, incident)),
            recurrences=part(recurrence_api.READERS, lambda: recurrence.recurrences(session, actor, incident_id)),
        )
