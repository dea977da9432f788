"""The weeks of places, added up: what the radar counts of years of incidents without reading each of them.

A row is of one place and one week in which incidents happened; a restricted incident has a row of its own, for whoever
may see it. `keep_weeks` makes them, every hour. They say how far the timeline was read and until when they hold, so that
what was heard since, and what time alone has changed, is counted from the incidents: an answer is the same whether rows
are there or not, and does not wait for them.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    DateTime,
    FromClause,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    cast,
    column,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    table,
    text,
    true,
    union_all,
)
from sqlalchemy.orm import Session

from services.reporting.radar import policy, silence
from services.reporting.radar.policy import Weakness
from services.reporting.store import INCIDENT, visible_incidents
from services.runtime import db, restriction
from services.runtime.actor import Actor

_I = INCIDENT.c

REPEATS_DAYS = 90
_AT_ONCE = timedelta(weeks=4)

_ACTIONS = (
    "exists (select 1 from reporting.action a where a.provider_id = incident.provider_id"
    " and a.incident_id = incident.incident_id and {} offset 0)"
)

CHALLENGED = (
    "exists (select 1 from reporting.governance_item g where g.provider_id = incident.provider_id"
    " and g.incident_id = incident.incident_id and g.kind = 'challenge'"
    " and (g.climbs > 0 or (g.status = 'open' and g.due_at < :now)))"
)
"""Shows no oversight too. Meetings write it themselves, so it is counted from the items and never added up."""

SHARES: Mapping[Weakness, tuple[str, str]] = {
    Weakness.ACTIONS_WITHOUT_CHANGE: (
        "incident.last_verdict in ('improved_and_sustained', 'improving_not_yet_proven', 'no_change', 'worse')",
        "incident.last_verdict in ('no_change', 'worse')",
    ),
    Weakness.REPEATS_WITHOUT_LEARNING: (
        # The first that followed, for PostgreSQL to find in the index of what happened at a place.
        "incident.ended_at is not null and (select again.occurred_at from reporting.incident again"
        " where again.provider_id = incident.provider_id and again.location_id = incident.location_id"
        " and again.category = incident.category and again.kind <> 'good_care'"
        " and again.stage not in ('withdrawn', 'duplicate') and again.occurred_at > incident.ended_at"
        f" order by again.occurred_at limit 1) <= incident.ended_at + interval '{REPEATS_DAYS} days'",
        "coalesce(incident.learning_count, 0) = 0",
    ),
    Weakness.LEARNING_NOT_SHARED: (
        "incident.learning_count > 0 and incident.review_approved_at < :now - interval '30 days'",
        "incident.briefing_id is null or incident.briefing_audience <= 1 or incident.briefing_reached_at is null",
    ),
    Weakness.NO_OVERSIGHT: (
        "incident.triaged_at is not null",
        "incident.triaged_by_default or exists (select 1 from reporting.escalation e"
        " where e.provider_id = incident.provider_id and e.incident_id = incident.incident_id"
        " and e.sent_at < :now - interval '24 hours' and e.acknowledged_at is null offset 0)",
    ),
    Weakness.BLAME: (
        "cardinality(incident.factors) > 0",
        "incident.factors = array['person']",
    ),
    Weakness.LATE_TO_REPORT: (
        "incident.origin = 'live'",
        "incident.reported_at > incident.occurred_at + interval '24 hours'",
    ),
    Weakness.LATE_TO_REVIEW: (
        "incident.review_due_at is not null and (incident.review_approved_at is not null"
        " or (incident.ended_at is null and incident.review_due_at < :now))",
        "coalesce(incident.review_approved_at, :now) > incident.review_due_at",
    ),
    Weakness.UNVERIFIED: (
        _ACTIONS.format("a.status in ('done', 'verified')"),
        _ACTIONS.format("a.status = 'done' and coalesce(a.verify_due_at, a.done_at + interval '14 days') < :now"),
    ),
    Weakness.WEAK_ACTIONS_ONLY: (
        _ACTIONS.format("a.status <> 'cancelled'"),
        "not " + _ACTIONS.format("a.status <> 'cancelled' and a.strength <> 'weaker'"),
    ),
    Weakness.OBLIGATIONS_LATE: (
        "incident.origin = 'live'",
        "exists (select 1 from reporting.timeline l where l.incident_id = incident.incident_id and l.type in"
        " ('plumbline.obligation.late.v1', 'plumbline.candour.late.v1', 'plumbline.safeguarding.late.v1') offset 0)",
    ),
}
"""For each weakness: the incidents that it could be said of, and those of them that show it.

`offset 0` has PostgreSQL look each incident up by its key; it would read all that was ever done of all incidents instead.
"""

_TURNS = (
    "case when incident.occurred_at >= :now then incident.occurred_at end",
    "case when incident.review_approved_at + interval '30 days' >= :now"
    " then incident.review_approved_at + interval '30 days' end",
    "case when incident.review_due_at >= :now and incident.ended_at is null and incident.review_approved_at is null"
    " then incident.review_due_at end",
    "(select min(e.sent_at + interval '24 hours') from reporting.escalation e where e.provider_id = incident.provider_id"
    " and e.incident_id = incident.incident_id and e.acknowledged_at is null"
    " and e.sent_at + interval '24 hours' >= :now)",
    "(select min(coalesce(a.verify_due_at, a.done_at + interval '14 days')) from reporting.action a"
    " where a.provider_id = incident.provider_id and a.incident_id = incident.incident_id and a.status = 'done'"
    " and coalesce(a.verify_due_at, a.done_at + interval '14 days') >= :now)",
)
"""When time alone changes an answer above: every comparison there with `:now` has its moment here."""

_RESTRICTED = "select r.record_id from reporting.restriction r where r.record_id = incident.incident_id"

_NAMES = [f"{part}_{weakness}" for weakness in Weakness for part in ("of", "shown", "since")]
_WEEK = "date_trunc('week', incident.occurred_at, 'UTC')"

_WEEKS = table(
    "radar_week",
    column("provider_id", Uuid),
    column("location_id", Uuid),
    column("region_id", Uuid),
    column("week", DateTime(timezone=True)),
    column("incident_id", Uuid),
    column("holds_until", DateTime(timezone=True)),
    *(column(name, DateTime(timezone=True) if name.startswith("since_") else Integer) for name in _NAMES),
    schema="reporting",
)

_MARK = table(
    "radar_mark",
    column("provider_id", Uuid),
    column("made_at", DateTime(timezone=True)),
    column("oldest", Uuid),
    schema="reporting",
)

_STALE = text(
    "with heard as materialized (select location_id, category, occurred_at from reporting.incident"
    " where provider_id = :provider_id and location_id is not null and incident_id in"
    " (select incident_id from reporting.timeline where provider_id = :provider_id and line_no > :line_no))"
    f" select location_id, {_WEEK.replace('incident.', '')} as week from heard where occurred_at >= :first"
    # Whatever happened may make another incident's repeat of it, or no longer.
    f" union select incident.location_id, {_WEEK} from heard join reporting.incident"
    " on incident.location_id = heard.location_id and incident.category = heard.category"
    " and incident.occurred_at < heard.occurred_at and incident.ended_at < heard.occurred_at"
    f" and incident.ended_at >= heard.occurred_at - interval '{REPEATS_DAYS} days'"
    " where incident.provider_id = :provider_id and incident.occurred_at >= :first"
    " union select location_id, week from reporting.radar_week where provider_id = :provider_id and holds_until <= :now"
).columns(column("location_id", Uuid), column("week", DateTime(timezone=True)))
"""Places and weeks of which something was heard, or has turned by time, since they were added up."""


def _week_of(at: datetime) -> datetime:
    """The Monday on which a week begins, in UTC."""
    return (at - timedelta(days=at.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)


def since(now: datetime) -> datetime:
    """From when on the radar looks: the Monday, in UTC, of the week in which its year began. So it reads whole weeks only."""
    return _week_of(now - timedelta(days=policy.shipped().days))


def _judged(now: datetime, first: datetime, *more: tuple[str, str]) -> Select[Any]:
    """Incidents that count, each with whether each weakness could be said of it and whether it would show; and what more is
    asked, as pairs of a name and an expression."""
    moment = select(bindparam("at", now, DateTime(timezone=True)).label("at")).subquery("moment")
    asked = [(name, f"({expression})") for name, expression in more]
    for weakness, (of, shown) in SHARES.items():
        asked += [(f"of_{weakness}", f"({of})"), (f"shown_{weakness}", f"({shown})")]
    answers: Iterator[ColumnElement[Any]] = (
        literal_column(expression.replace(":now", "moment.at")).label(name) for name, expression in asked
    )
    return (
        select(_I.location_id, _I.region_id, _I.occurred_at, *answers)
        .select_from(INCIDENT)
        .join(moment, true())
        .where(
            _I.occurred_at >= first,
            _I.reported_at.is_not(None),
            _I.kind != "good_care",
            _I.stage.not_in(["withdrawn", "duplicate"]),
        )
    )


def _sums(of: FromClause, now: datetime) -> list[ColumnElement[Any]]:
    """The columns of a week, counted from judged incidents."""
    found: list[ColumnElement[Any]] = []
    happened = of.c.occurred_at <= now
    for weakness in Weakness:
        shows = and_(of.c[f"of_{weakness}"], of.c[f"shown_{weakness}"], happened)
        found += [
            func.count().filter(of.c[f"of_{weakness}"], happened).label(f"of_{weakness}"),
            func.count().filter(shows).label(f"shown_{weakness}"),
            func.min(of.c.occurred_at).filter(shows).label(f"since_{weakness}"),
        ]
    return found


def counts(
    session: Session, actor: Actor, now: datetime, *, location_id: UUID | None, region_id: UUID | None
) -> Mapping[str, Any]:
    """For each weakness `of_`, `shown_` and `since_`: of the incidents that the actor may see, how many it could be said
    of, how many show it, and when the first of these happened. Of challenges nothing is said.
    """
    first = since(now)
    places = {"location_id": location_id, "region_id": region_id}
    judged = _judged(now, first).where(
        visible_incidents(actor),
        *(_I[name] == value for name, value in places.items() if value is not None),
    )
    mark = _mark(session, actor.provider_id, now)
    if mark is None:
        every = judged.cte("judged").prefix_with("materialized")
        return dict(session.execute(select(*_sums(every, now))).mappings().one())
    stale = _STALE.bindparams(provider_id=actor.provider_id, line_no=mark, first=first, now=now).cte("stale")
    within = and_(
        _I.location_id == stale.c.location_id,
        _I.occurred_at >= stale.c.week,
        _I.occurred_at < stale.c.week + timedelta(days=7),
    )
    live = judged.join(stale, within).cte("judged").prefix_with("materialized")
    week = _WEEKS.c
    in_scope = actor.scope(week.location_id, week.region_id)
    still = exists().where(stale.c.location_id == week.location_id, stale.c.week == week.week)
    kept = select(*(week[name] for name in _NAMES)).where(
        week.provider_id == actor.provider_id,
        week.week >= first,
        or_(
            and_(week.incident_id.is_(None), in_scope),
            restriction.visible("reporting", actor, week.incident_id, in_scope=in_scope),
        ),
        *(week[name] == value for name, value in places.items() if value is not None),
        ~still,
    )
    both = union_all(select(*_sums(live, now)), kept).subquery("both")
    added = [
        # A sum of large numbers is a decimal to PostgreSQL.
        (func.min(both.c[name]) if name.startswith("since_") else cast(func.sum(both.c[name]), BigInteger)).label(name)
        for name in _NAMES
    ]
    return dict(session.execute(select(*added)).mappings().one())


def oldest(session: Session, provider_id: UUID, now: datetime) -> ColumnElement[UUID]:
    """No id in the window is lower: what was reported long before need not be looked at where few records show something.

    Kept with the weeks. Ids grow with the time of the report and the window moves on, so it stays true until the next time.
    """
    kept = select(_MARK.c.oldest).where(_MARK.c.provider_id == provider_id, _MARK.c.made_at <= now)
    found = session.scalar(kept)
    return _oldest(provider_id, now) if found is None else literal(found)


def _oldest(provider_id: UUID, now: datetime) -> ColumnElement[UUID]:
    within = _I.provider_id == provider_id, _I.occurred_at >= since(now), _I.reported_at.is_not(None)
    lowest = select(func.min(cast(_I.incident_id, Text).collate("C"))).where(*within)
    return cast(lowest.scalar_subquery(), Uuid)


def _mark(session: Session, provider_id: UUID, now: datetime) -> int | None:
    """Up to which line of the timeline weeks were added up; None when there are none that go by today's rules."""
    row = session.execute(
        text("select line_no, made_at, policy_version from reporting.radar_mark where provider_id = :provider_id"),
        {"provider_id": provider_id},
    ).one_or_none()
    usable = row is not None and row.made_at <= now and row.policy_version == policy.shipped().version
    return row.line_no if row is not None and usable else None


def keep_weeks(session: Session, provider_id: UUID, now: datetime) -> int:
    """Add up the weeks of places that changed, or all when none are kept, and answer how many.

    Nobody waits for it, and it may be repeated: until the next time, what is heard is counted from the incidents.
    """
    db.run(session, "select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"reporting.radar:{provider_id}"])
    # Before the weeks: a line that comes in between will be looked at again.
    last = text("select coalesce(max(line_no), 0) from reporting.timeline where provider_id = :provider_id")
    line_no = session.scalar(last, {"provider_id": provider_id})
    first = since(now)
    mark = _mark(session, provider_id, now)
    judged = _judged(
        now, first, ("week", _WEEK), ("holds_until", f"least({', '.join(_TURNS)})"), ("restricted_id", _RESTRICTED)
    ).where(_I.provider_id == provider_id)
    mine = delete(_WEEKS).where(_WEEKS.c.provider_id == provider_id)
    if mark is None:
        session.execute(mine)
    else:
        asked = _STALE.bindparams(provider_id=provider_id, line_no=mark, first=first, now=now)
        stale = session.execute(asked).all()
        places, weeks = [row.location_id for row in stale], [row.week for row in stale]
        again = select(
            func.unnest(literal(places, ARRAY(Uuid))).label("location_id"),
            func.unnest(literal(weeks, ARRAY(DateTime(timezone=True)))).label("week"),
        ).cte("again")
        same = and_(_WEEKS.c.location_id == again.c.location_id, _WEEKS.c.week == again.c.week)
        session.execute(mine.where(or_(_WEEKS.c.week < first, exists().where(same))))
        judged = judged.join(
            again,
            and_(
                _I.location_id == again.c.location_id,
                _I.occurred_at >= again.c.week,
                _I.occurred_at < again.c.week + timedelta(days=7),
            ),
        )
    made = sum(
        _add_up(session, provider_id, one, now) for one in (_by_parts(judged, first, now) if mark is None else [judged])
    )
    session.execute(
        text(
            "insert into reporting.radar_mark (provider_id, line_no, made_at, policy_version, silent, oldest)"
            " values (:provider_id, :line_no, :now, :version, cast(:silent as jsonb), :oldest)"
            " on conflict (provider_id) do update set line_no = excluded.line_no, made_at = excluded.made_at,"
            " policy_version = excluded.policy_version, silent = excluded.silent, oldest = excluded.oldest"
        ),
        {
            "provider_id": provider_id,
            "line_no": line_no,
            "now": now,
            "version": policy.shipped().version,
            "oldest": session.scalar(select(_oldest(provider_id, now))),
            "silent": silence.SILENT.dump_json(silence.find(session, provider_id, now)).decode(),
        },
    )
    return made


def _by_parts(judged: Select[Any], first: datetime, now: datetime) -> Iterator[Select[Any]]:
    """The same in a few weeks at a time: no statement may take as long as all weeks of a large provider do."""
    start, last = first, _week_of(now)
    while start < last:
        until = start + _AT_ONCE
        yield judged.where(_I.occurred_at >= start, _I.occurred_at < until)
        start = until
    yield judged.where(_I.occurred_at >= start)


def _add_up(session: Session, provider_id: UUID, judged: Select[Any], now: datetime) -> int:
    """Keep the weeks of these incidents, and answer how many."""
    found = judged.cte("judged").prefix_with("materialized")
    key = [found.c.location_id, found.c.region_id, found.c.week, found.c.restricted_id]
    rows = select(literal(provider_id), *key, func.min(found.c.holds_until), *_sums(found, now)).group_by(*key)
    names = ["provider_id", "location_id", "region_id", "week", "incident_id", "holds_until", *_NAMES]
    return len(session.execute(insert(_WEEKS).from_select(names, rows).returning(_WEEKS.c.week)).all())


def forget(session: Session, provider_id: UUID) -> None:
    """Count from the incidents until weeks are added up again: rows have changed and no line of the timeline tells."""
    session.execute(text("delete from reporting.radar_mark where provider_id = :id"), {"id": provider_id})
