"""Who can answer for an action: somebody who is there, in a role that they have."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from services.actions.impact.domain import local_day
from services.actions.store import Person
from services.contracts.taxonomy import Role
from services.runtime.errors import invalid


def check_owner(
    session: Session, person_id: UUID, role: Role, now: datetime, *, id_field: str, role_field: str
) -> None:
    """Refuse (422) an owner who has left, whom directory does not know, or who does not work in that role.

    A provider whose people are not in directory is not asked for them.
    """
    if role is Role.SERVICE:
        raise invalid(role_field, "is not the role of a person", "Choose the role in which the owner answers for it.")
    person = session.get(Person, person_id)
    if person is None:
        if session.scalar(select(exists(select(Person.person_id)))):
            raise invalid(
                id_field,
                "is nobody who works here",
                "Choose from GET /people of directory. If they were registered a moment ago, try again in a few seconds.",
            )
        return
    if not person.active or (person.leaves_on is not None and person.leaves_on < local_day(now)):
        raise invalid(id_field, "has left", "Choose somebody who is there.")
    if person.roles is not None and role not in person.roles:
        raise invalid(
            role_field,
            "is not a role in which the owner works",
            "Choose one that they have, see GET /people of directory, or another owner.",
        )
