"""One record of everything that a service keeps, at one place of one provider.

Made from what the catalogue says of the columns, so that a table to come is filled too. A column of one name holds one
id in all tables: the review is that of the incident, the evidence that of the action. What a record says of itself is
in `SAID`; any other text is the world's marker, so that whoever reads it has been shown something.
"""

import base64
import hashlib
import io
import json
import uuid
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from services.contracts.identity import EVERYWHERE

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNgYGAAAAAEAAH2FzhVAAAAAElFTkSuQmCC")
"""A picture of one pixel."""


def _pack() -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name in ("index.html", "pack.pdf"):
            archive.writestr(zipfile.ZipInfo(name), "A pack")
    return whole.getvalue()


PACK = _pack()
"""An evidence pack, the same each time."""

AT = datetime(2026, 6, 8, 8, tzinfo=UTC)
NOW = "2026-06-08T09:00:00+00:00"
"""An hour later, when the services are asked."""
MONTH = date(2026, 5, 1)
STAND_IN = "0" * 32

NO_RECORDS = {
    "migration", "idempotency_key", "inbox", "outbox", "parked_event", "restriction", "opening", "progress", "audit_entry",
    "pseudonym_key", "erasure",
}  # fmt: skip
"""Tables that hold nothing of what people recorded."""

SAID: dict[str, Any] = {
    "kind": "incident", "category": "medication", "stage": "reviewing", "band": "moderate", "actual_harm": "low",
    "cycle": 1, "version": 1, "revision": 1, "active": True, "month": MONTH, "week": AT, "consequence": 2, "likelihood": 3,
    "unit": "occupied_bed_days", "role": "registered_manager", "to_role": "registered_manager",
    "owner_role": "registered_manager", "asked_role": "registered_manager", "decided_role": "registered_manager",
    "actor_role": "registered_manager", "raised_role": "registered_manager", "answered_role": "registered_manager",
    "granted_role": "director", "lead_role": "registered_manager", "approval_role": "quality_lead",
    "authority": "local_authority", "direction": "decrease", "level": "service", "raised_level": "service",
    "strength": "stronger", "method": "structured_review", "harm_test": "met", "consent": "given",
    "relation": "same_event", "waits_for": "police", "state": "draft", "answers": {},
    "media_type": "image/png", "limbs": [], "reflections": [], "wishes": [], "grounds": [], "told": [], "policy_version": "default-1", "guide": "guide-1", "question": "known_before",
    "ends_at": AT + timedelta(days=90), "expires_at": AT + timedelta(days=9), "baseline_until": date(2026, 6, 1),
    "due_at": AT + timedelta(days=9), "due_on": date(2026, 6, 30),
}  # fmt: skip
"""By name of the column, or of the table and the column: what a record of the middle of its life says."""


@dataclass(frozen=True)
class Same:
    """The id that another column has."""

    name: str


AGENDA = {
    "seen_at": AT.isoformat(), "since": AT.isoformat(), "last": None, "items": [], "topics": [], "services": [],
    "radar": [], "silent": [], "restricted_open": None,
    "changed": {"reported": 1, "ended": 0, "reviews_approved": 0, "actions_verified": 0, "effects_judged": 0},
}  # fmt: skip

BRIEFING = {
    "summary": "A dose was given twice", "what_changes": "One chart.", "question": "How many charts?",
    "options": ["Many", "One"], "correct": 1,
}  # fmt: skip

SAID |= {
    "actions.action.status": "open", "actions.action.opened_at": AT,
    "actions.action.due_at": AT + timedelta(days=9), "actions.checkpoint.status": "measured", "actions.evidence.kind": "document",
    "actions.measure.kind": "incident_rate", "actions.measure.category": "medication", "actions.measure.unit": "occupied_bed_days", "actions.measure.scope": "location", "actions.site.state": "open",
    "actions.verification.outcome": "passed", "actions.verification.method": "spot_check",
    "actions.evidence_file.sha256": hashlib.sha256(PNG).hexdigest(), "intake.attachment.sha256": hashlib.sha256(PNG).hexdigest(), "actions.dependency.waits_for": Same("another_action_id"),
    "actions.indicator_value.value": 1, "actions.sample_draw.frame": None, "actions.indicator.counted": True,
    "actions.indicator.about": "audit_score", "actions.incident.location_id": ..., "actions.incident.band": "moderate",
    "actions.incident.category": "medication",
    "directory.delivery.channel": "email", "directory.delivery.status": "failed",
    "directory.contract.ends_on": date(2027, 6, 1), "directory.assignment.region_id": None,
    "directory.rota_entry.region_id": None,
    "intake.blocker.kind": "obligation", "intake.clock.kind": "obligation", "intake.candour.status": "to_decide",
    "intake.candour_attempt.outcome": "unreachable", "intake.candour_attempt.how": "phone",
    "intake.candour_letter.direction": "sent", "intake.candour_letter.purpose": "other",
    "intake.concern.mode": "anonymous", "intake.concern_message.author": "sender", "intake.escalation.reason": "high_risk",
    "intake.ladder_run.reason": "high_risk", "intake.obligation.outcome": "triggered", "intake.obligation.rule": "cqc-abuse", "intake.obligation.must_decide": True,
    "intake.protection.kind": "restriction", "intake.proceeding.kind": "discipline",
    "intake.appraisal.decision": "destroy", "intake.legal_hold.incident_id": Same("incident_id"), "intake.kept_record.kind": "theme", "intake.kept_record.last_used_at": AT, "intake.candour.round": 2, "intake.access_change.revision": 0, "intake.candour_step.step": "apology", "intake.first_check.rule": "shift-lead-told",
    "intake.recurrence.closed_incident_id": Same("incident_id"),
    "reporting.incident.kind": "incident", "reporting.incident.category": "medication",
    "reporting.incident.reported_at": AT, "reporting.incident.occurred_at": AT, "reporting.incident.stage": "reviewing",
    "reporting.incident.band": "moderate", "reporting.incident.origin": "reported",
    "reporting.incident.stage_entered_at": AT, "reporting.incident.last_event_at": AT,
    "reporting.incident.review_status": "open", "reporting.action.status": "open", "reporting.action.strength": "stronger",
    "reporting.governance_item.kind": "challenge", "reporting.governance_item.status": "open",
    "reporting.governance_item.round": 2,
    "reporting.pack.kind": "incident", "reporting.pack.state": "ready", "reporting.pack.role": "quality_lead",
    "reporting.pack.sha256": hashlib.sha256(PACK).hexdigest(), "reporting.pack.subject_id": Same("incident_id"), "reporting.pack.bytes": 1,
    "reporting.pack.title": "A pack", "reporting.pack.pack_id": "0" * 32, "reporting.pack.built_at": AT,
    "reporting.signal.kind": "place_and_type", "reporting.signal.status": "raised",
    "reporting.signal.category": "medication", "reporting.signal_decision.decision": "accept",
    "reporting.signal_incident.member": True,
    "reporting.timeline.publisher": "intake", "reporting.timeline.type": "plumbline.incident.reported.v1",
    "reporting.timeline.actor": str(uuid.uuid4()), "reporting.trait.kind": "person", "reporting.person_incident.stand_in": STAND_IN, "reporting.webhook.event_types": [],
    "reporting.meeting.agenda": AGENDA, "reporting.signal.figures": {"seen": 5, "expected": 1, "window_days": 90, "needed": 4, "scope": "location"}, "reporting.theme.commissioned_at": AT, "reporting.theme.incident_id": Same("theme_id"), "reporting.theme.lead_id": Same("lead_id"),
    "review.theme.stage": "reviewing", "review.theme_member.decision": "linked", "review.review.status": "open",
    "review.review.kind": "incident", "review.review.actions_need": "required", "review.review.briefing_need": "required",
    "review.review.briefing_audience": "own_location", "review.review.briefing_target_percent": 80,
    "review.review.template": "structured_review-2",
    "review.briefing.target_percent": 80, "review.briefing.audience": 2, "review.briefing.options": ["Yes", "No"],
    "review.briefing.review_id": Same("review_id"), "review.briefing_learning.learning_id": Same("another_learning_id"),
    "review.briefing_route.present": 1, "review.briefing_route.kind": "team_meeting", "review.answer.answer": "Yes",
    "review.factor.element": "tasks", "review.adoption_check.answer_kind": "count", "review.involved.who": "staff",
    "review.involved.approach": "asked", "review.finding_answer.step": "submitted", "review.finding_answer.finding": "blame",
    "review.review_step.step": "opened", "review.improvement.state": "open", "review.contribution.person_id": Same("person_id"),
    "review.contribution.how": "interview", "review.contribution.outcome": "asked", "review.contribution.part": "staff_involved",
    "review.effect.verdict": "no_change", "review.recall.question": 0, "review.timeline_entry.nature": "fact", "review.timeline_entry.source": "record",
    "review.theme.team": {"members": [], "people": []}, "review.review.briefing": BRIEFING,
}  # fmt: skip

_TAKES: dict[str, Any] = {
    "text": str, "integer": int, "numeric": int, "boolean": bool, "uuid": UUID, "date": date,
    "timestamp with time zone": datetime, "text[]": list,
}  # fmt: skip


@dataclass
class World:
    """The ids of one record of everything, by the name of the column or parameter."""

    region_id: UUID = field(default_factory=uuid.uuid4)
    location_id: UUID = field(default_factory=uuid.uuid4)
    provider_id: UUID = field(default_factory=uuid.uuid4)
    _ids: dict[str, UUID] = field(default_factory=dict)

    @property
    def marker(self) -> str:
        """What every text of its records says."""
        return f"Planted-words-{self.location_id.hex}"

    def tells(self, answer: bytes) -> bool:
        """Whether an answer holds anything of its records: a text or an id."""
        text = answer.decode(errors="replace")
        return self.marker in text or any(str(one) in text for one in self._ids.values())

    def named_in(self, request: str) -> bool:
        """Whether a request names a record or place of it."""
        places = (self.location_id, self.region_id)
        return any(str(one) in request for one in (*self._ids.values(), *places))

    def id(self, name: str) -> UUID:
        """The id that columns and parameters of this name have."""
        own: UUID | None = (
            getattr(self, name, None) if name.endswith(("region_id", "location_id", "provider_id")) else None
        )
        return own or self._ids.setdefault(name, uuid.uuid4())

    def learn(self, ids: Mapping[str, UUID]) -> None:
        """From here on these names have these ids."""
        self.region_id = ids.get("region_id", self.region_id)
        self.location_id = ids.get("location_id", self.location_id)
        self._ids |= ids

    def fill(self, connection: psycopg.Connection[Any], service: str) -> None:
        """A record in every table of a service, as the database's owner. Checks hold; references need not."""
        connection.execute("set local session_replication_role = replica")
        columns: dict[str, list[tuple[str, str, bool]]] = {}
        for table, name, kind, needed in connection.execute(
            "select c.relname, a.attname, format_type(a.atttypid, null), a.attnotnull and not a.atthasdef and a.attidentity = ''"
            " from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid"
            " where n.nspname = %s and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped",
            [service],
        ):
            columns.setdefault(table, []).append((name, kind, needed))
        for table in columns.keys() - NO_RECORDS:
            row = {
                name: self._value(f"{service}.{table}.{name}", name, kind)
                for name, kind, needed in columns[table]
                if needed or name in ("location_id", "region_id") or f"{service}.{table}.{name}" in SAID
            }
            self._insert(connection, f"{service}.{table}", row)
            if (service, table) == ("reporting", "incident"):
                theme = {
                    "incident_id": self.id("theme_id"),
                    "origin": "theme",
                    "location_id": EVERYWHERE,
                    "reported_at": None,
                }
                self._insert(connection, "reporting.incident", row | theme)
        if service == "intake":
            # A concern is for the roles that its row of restrictions names.
            restrict(connection, service, self, "concern_id", ["safeguarding_lead", "speak_up_guardian"])

    def _insert(self, connection: psycopg.Connection[Any], table: str, row: dict[str, Any]) -> None:
        names, marks = ", ".join(f'"{name}"' for name in row), ", ".join(["%s"] * len(row))
        connection.execute(
            f"insert into {table} ({names}) values ({marks}) on conflict do nothing".encode(), list(row.values())
        )

    def _value(self, path: str, name: str, kind: str) -> Any:
        said = SAID.get(path, ...)
        said = SAID.get(name, ...) if said is ... else said
        if said is None:
            return None
        if isinstance(said, Same):
            return self.id(said.name)
        if kind == "jsonb" and isinstance(said, dict | list):
            return json.dumps(said)
        if isinstance(said, _TAKES.get(kind, ())):
            return said
        match kind:
            case "uuid":
                return self.id(name)
            case "uuid[]" | "text[]":
                return {
                    "locations": [self.location_id],
                    "incident_ids": [self.id("incident_id")],
                    "codes": [STAND_IN],
                }.get(name, [])
            case "text":
                return self.marker
            case "boolean":
                return False
            case "date":
                return MONTH
            case "timestamp with time zone":
                return AT
            case "interval":
                return timedelta(hours=1)
            case "jsonb":
                return "{}"
            case "bytea":
                return b"x"
            case array if array.endswith("[]"):
                return []
        return 1


def restrict(
    connection: psycopg.Connection[Any],
    service: str,
    world: World,
    record: str,
    roles: Sequence[str],
    excluded: Sequence[UUID] = (),
) -> None:
    """Say in a service that only these roles see a record of a world, and that nobody of the excluded does."""
    connection.execute(
        f"insert into {service}.restriction (record_id, provider_id, revision, roles, people, excluded)".encode()
        + b" values (%s, %s, 1, %s, '{}', %s)",
        [world.id(record), world.provider_id, list(roles), list(excluded)],
    )
