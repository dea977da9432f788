"""To whom people answer, as directory tells: who is kept away from an allegation besides whoever it is about."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.contracts.taxonomy import Role
from services.intake.store import Table

_LINE = text(
    """with recursive line (person_id) as (
        select manager_id from intake.person where person_id = any(:staff) and manager_id is not null
        union
        select p.manager_id from line join intake.person p using (person_id)
        left join intake.person above on above.person_id = p.manager_id
        where p.manager_id is not null and not coalesce(above.roles && cast(:need_to_know as text[]), false)
    ) select person_id from line"""
)


class Person(Table):
    """What intake knows of somebody who works here, from directory's events: no name."""

    __tablename__ = "person"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    manager_id: Mapped[UUID | None]
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text))
    revision: Mapped[int]


def keep_person(session: Session, values: dict[str, Any]) -> None:
    """Keep the newest revision of a person, whatever the order of arrival."""
    statement = insert(Person).values(**values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[Person.person_id], set_=values, where=Person.revision < values["revision"]
        )
    )


def line_of(session: Session, staff: Collection[UUID], need_to_know: Collection[Role]) -> set[UUID]:
    """Whom staff answer to, whatever their role, and those above; nobody that directory has not told of.

    The way up ends before somebody further up who needs to know by role: every line leads to the nominated individual.
    """
    if not staff:
        return set()
    return set(session.scalars(_LINE, {"staff": list(staff), "need_to_know": [str(role) for role in need_to_know]}))
