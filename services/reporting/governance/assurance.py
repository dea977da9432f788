"""Independent assurance is asked for by itself where a place's own evidence is weak, again and again (GV-02)."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.contracts.taxonomy import GovernanceKind, MeetingLevel, Role
from services.reporting.governance import policy
from services.reporting.governance.agenda import Agenda
from services.reporting.governance.domain import ItemStatus, Question, above
from services.reporting.governance.policy import GovernancePolicy
from services.reporting.governance.store import Item, Meeting
from services.reporting.radar.policy import Weakness
from services.runtime.actor import Actor

SAID = (
    "{weakness} shows at {meetings} meetings in a row. What the place says of itself does not settle it: somebody outside"
    " its own line is to look at the records behind it, and to say whether it has changed."
)


def asked_for(session: Session, actor: Actor, rules: GovernancePolicy, meeting: Meeting) -> list[Weakness]:
    """The weaknesses of which a meeting asks for independent assurance: weak on its agenda and on those before it.

    Not while it is asked for at the place, nor for so many days after it was.
    """
    rule = rules.assurance
    if rule is None:
        return []
    weak = set(rule.weaknesses)
    seen = 0
    for agenda in _agendas(session, meeting):
        weak &= {finding.weakness for finding in agenda.radar if finding.weak}
        seen += 1
        if seen == rule.meetings:
            break
    if seen < rule.meetings or not weak:
        return []
    known = session.scalars(
        select(Item.weakness).where(
            Item.provider_id == actor.provider_id, Item.question == Question.ASSURANCE, Item.weakness.in_(weak),
            Item.raised_level == meeting.level, Item.location_id.is_not_distinct_from(meeting.location_id),
            Item.region_id.is_not_distinct_from(meeting.region_id),
            (Item.status != ItemStatus.ACCEPTED)
            | (Item.raised_at > meeting.compiled_at - timedelta(days=rule.again_after_days)),
        )
    )  # fmt: skip
    return sorted(weak - {Weakness(one) for one in known if one is not None})


def _agendas(session: Session, meeting: Meeting) -> Iterator[Agenda]:
    """That of a meeting and of those before it, the newest first."""
    while True:
        yield Agenda.model_validate(meeting.agenda)
        if meeting.previous_id is None:
            return
        meeting = session.get_one(Meeting, meeting.previous_id)


def values(
    actor: Actor, rules: GovernancePolicy, meeting: Meeting, weakness: Weakness, now: datetime
) -> dict[str, object]:
    """What the challenge says. Whoever holds the role of the next level owns it: nobody of the line of the place."""
    assert rules.assurance is not None
    level = MeetingLevel(meeting.level)
    higher = above(level, rules.levels.keys(), meeting.region_id)
    rule = rules.levels.get(higher) or policy.shipped().levels[higher]
    return {
        "kind": GovernanceKind.CHALLENGE,
        "question": Question.ASSURANCE,
        "weakness": weakness,
        "said": SAID.format(weakness=weakness.replace("_", " ").capitalize(), meetings=rules.assurance.meetings),
        "owner_id": actor.id,
        "owner_role": Role(rule.called),
    }
