"""For how long records are kept, by properties: never too short, begun again by each use, and nothing held is ever due."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.taxonomy import Band, Category, Kind, RecordKind
from services.intake.retention import policy
from services.intake.retention.domain import Standing, is_due, kept_until, last_used
from services.runtime.policy_file import built, check

moments = st.datetimes(datetime(2000, 1, 1), datetime(2080, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
years = st.integers(1, 60)
SHIPPED = Path(policy._SHIPPED).read_text()


def free(at: datetime | None) -> Standing:
    return Standing(last_used_at=at, held=False, proceeding=False)


@given(moments, years, moments)
def test_nothing_is_due_before_its_period_has_passed_and_always_afterwards(
    used: datetime, n: int, now: datetime
) -> None:
    whole = used.astimezone(ZoneInfo("Europe/London")).date()
    passed = now.astimezone(ZoneInfo("Europe/London")).date()
    due = is_due(free(used), n, now)
    if due:
        assert passed > whole
        assert (passed - whole).days >= 365 * n, "a year is never cut short"
    if (passed - whole).days > 366 * n + 1:
        assert due


@given(moments, years, moments, st.booleans(), st.booleans(), st.booleans())
def test_what_is_held_in_use_needed_or_before_a_court_is_never_due(
    used: datetime, n: int, now: datetime, held: bool, proceeding: bool, theme: bool
) -> None:
    assert not is_due(free(None), n, now)
    if held or proceeding or theme:
        assert not is_due(Standing(last_used_at=used, held=held, proceeding=proceeding, theme=theme), n, now)


@given(moments, st.lists(moments, max_size=4), years, moments)
def test_each_use_begins_the_period_again(closed: datetime, ended: list[datetime], n: int, now: datetime) -> None:
    used = last_used(closed, ended)
    assert used == max([closed, *ended])
    assert last_used(None, ended) is None, "an open case is in use"
    if is_due(free(used), n, now):
        assert all(is_due(free(one), n, now) for one in (closed, *ended))


@given(moments, years, st.integers(0, 20))
def test_a_longer_period_is_never_due_earlier(used: datetime, n: int, more: int) -> None:
    assert kept_until(used, n + more) >= kept_until(used, n)


def test_the_day_is_that_of_england_and_the_29th_of_february_is_kept_whole() -> None:
    assert kept_until(datetime(2026, 6, 30, 23, 30, tzinfo=UTC), 10) == date(2036, 7, 1)
    assert kept_until(datetime(2024, 2, 29, 12, tzinfo=UTC), 10) == date(2034, 3, 1)
    used = datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert not is_due(free(used), 10, datetime(2036, 3, 2, 23, tzinfo=UTC))
    assert is_due(free(used), 10, datetime(2036, 3, 3, 0, 1, tzinfo=UTC))


@given(st.sampled_from(Kind), st.sampled_from(Category), st.none() | st.sampled_from(Band))
def test_the_shipped_policy_keeps_what_is_serious_for_longer_and_names_its_source(
    kind: Kind, category: Category, band: Band | None
) -> None:
    rule = policy.shipped().rule(kind, category, band)
    serious = band in (Band.HIGH, Band.EXTREME) or category in (Category.DEATH, Category.ABUSE_ALLEGATION)
    assert rule.years == (20 if serious else 10)
    assert rule.source
    assert policy.shipped().shortest == 10


def test_a_policy_says_of_other_records_what_it_wants_and_the_rest_is_as_shipped() -> None:
    shipped = policy.shipped().others
    assert {kind: (rule.id, rule.years) for kind, rule in shipped.items()} == {
        RecordKind.CONCERN: ("concern", 10), RecordKind.THEME: ("theme", 20), RecordKind.MEETING: ("meeting", 20),
        RecordKind.PERSON: ("person", 6),
    }  # fmt: skip
    assert all("to be confirmed" in rule.source for rule in shipped.values())
    document = yaml.safe_load(SHIPPED)
    document["other_records"] = {"concern": {"keep_years": 30, "source": "Our insurer asks for it"}}
    own = built(policy.KIND, yaml.safe_dump(document)).others
    assert (own[RecordKind.CONCERN].years, own[RecordKind.CONCERN].source) == (30, "Our insurer asks for it")
    assert {kind: rule for kind, rule in own.items() if kind is not RecordKind.CONCERN} == {
        kind: rule for kind, rule in shipped.items() if kind is not RecordKind.CONCERN
    }
    del document["other_records"]
    assert built(policy.KIND, yaml.safe_dump(document)).others == shipped, "those of before say nothing of it"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda d: d["retention_rules"].pop(), "retention_rules"),
        (lambda d: d["retention_rules"][0].update(keep_years=0), "keep_years"),
        (lambda d: d["retention_rules"][0].pop("source"), "source"),
        (lambda d: d["retention_rules"].insert(0, {"id": "all", "when": {"band": [*map(str, Band)]}, "keep_years": 9, "source": "Ours"}), "retention_rules.1"),
        (lambda d: d["retention_rules"][1].update(id="serious"), "id"),
        (lambda d: d["other_records"]["theme"].update(keep_years=101), "keep_years"),
        (lambda d: d["other_records"].update(diary={"keep_years": 1, "source": "Ours"}), "diary"),
    ],
    ids=["no last rule", "no years", "no source", "never reached", "same id", "too many years", "no such kind"],
)  # fmt: skip
def test_a_policy_that_cannot_work_is_refused_by_name(change: object, field: str) -> None:
    document = yaml.safe_load(SHIPPED)
    assert check(SHIPPED, policy.KIND).ok
    change(document)  # type: ignore[operator]
    problems = check(yaml.safe_dump(document, sort_keys=False), policy.KIND).problems
    assert any(field in f"{one.field} {one.problem}" for one in problems), problems


def test_time_moves_only_forwards_for_what_is_due() -> None:
    used = datetime(2026, 1, 1, tzinfo=UTC)
    days = [is_due(free(used), 10, used + timedelta(days=n)) for n in range(0, 5000, 7)]
    assert days == sorted(days)
