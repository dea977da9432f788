"""Evidence packs: who is chosen, what is a gap, what leaves for which role, what is evidence for what, what was changed."""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import typst
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

from deploy.local.cli import app
from deploy.local.state import StackError
from services.contracts.taxonomy import Category, Kind, PhysicalHarm, Stage
from services.reporting.packs import chart, frameworks, gaps, manifest, page, redaction, render, selection
from services.reporting.packs.build import Asked, Built, build
from services.reporting.packs.gather import Refused
from services.runtime import audit
from services.runtime.actor import Actor
from tests.unit.pack_records import (
    CARER,
    INCIDENT,
    LEAD,
    MANAGER,
    NOW,
    PLACE,
    THEME,
    at,
    briefing,
    candour,
    challenge,
    changed,
    check,
    member,
    obligation,
    row,
    theme,
    theme_timeline,
    triage,
    whole,
)

COLLECTED = Path(__file__).parents[3] / "shared/domain/data/cqc_frameworks.json"

# Selection.

ROWS = st.lists(
    st.builds(
        row,
        st.integers(1, 2**64),
        kind=st.sampled_from(Kind),
        category=st.sampled_from(Category),
        actual_harm=st.sampled_from([None, *PhysicalHarm]),
        stage=st.sampled_from(Stage),
    ),
    max_size=40,
    unique_by=lambda one: one["incident_id"],
)
RULES = st.sampled_from(["cqc-death", "cqc-abuse", "cqc-serious-injury", "safeguarding-concern", "lfpse"])


@given(rows=ROWS, seed=st.integers(0, 10**9), data=st.data())
def test_all_that_is_serious_is_in_and_at_most_five_others(rows: list[dict[str, Any]], seed: int, data: Any) -> None:
    raised = {one["incident_id"]: data.draw(st.sets(RULES)) for one in rows}
    found = selection.draw(seed, rows, raised)
    candidates = [one for one in rows if one["kind"] != "good_care" and one["stage"] != "duplicate"]
    serious = {
        one["incident_id"]
        for one in candidates
        if one["category"] in ("death", "abuse_allegation")
        or one["actual_harm"] in ("severe", "fatal")
        or raised[one["incident_id"]] - {"lfpse"}
    }
    assert set(found.serious) == serious
    assert not serious & set(found.drawn)
    assert len(found.drawn) == min(5, len(candidates) - len(serious))
    assert set(found.candidates) == {one["incident_id"] for one in candidates}
    assert len(set(found.shown)) == len(found.shown)


@given(rows=ROWS, seed=st.integers(0, 10**9), data=st.data())
def test_a_draw_is_the_same_again_in_any_order(rows: list[dict[str, Any]], seed: int, data: Any) -> None:
    shuffled = data.draw(st.permutations(rows))
    assert selection.draw(seed, rows, {}) == selection.draw(seed, shuffled, {})


def test_anybody_can_draw_again_from_what_is_written() -> None:
    said = selection.draw(42, [row(number) for number in range(1, 40)], {}).to_json()
    ranked = sorted(said["candidates"], key=lambda one: hashlib.sha256(f"{said['seed']}:{one}".encode()).hexdigest())
    assert said["drawn"] == ranked[:5]
    other = selection.draw(43, [row(number) for number in range(1, 40)], {})
    assert list(other.drawn) != said["drawn"]


# Gaps.


def codes(record: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(gap.code, gap.late) for gap in gaps.find(record, NOW)]


def test_a_whole_chain_has_no_gap() -> None:
    assert codes(whole()) == []


@pytest.mark.parametrize(
    ("path", "value", "code", "late"),
    [
        ("incident.occurred_at", at(-3), "reported_late", True),
        ("incident.triage", [], "not_triaged", True),
        ("incident.triage", [triage(by_default=True)], "triage_by_rule", True),
        ("incident.triage", [triage(by_default=True), triage()], "triage_by_rule", True),
        ("incident.triage", [triage(decided_at=at(2))], "triage_late", True),
        ("checks", [check(done_at=None, state="late")], "check_not_done", True),
        ("checks", [check(done_at=None, state="not_recorded")], "check_not_done", True),
        ("checks", [check(done_at=at(0.2), state="done_late")], "check_late", True),
        ("escalations.0.acknowledged_at", None, "escalation_unanswered", True),
        ("escalations.0.acknowledged_at", at(0.4), "escalation_late", True),
        ("reviews", [], "no_review", True),
        ("reviews.0.steps", [], "review_not_approved", True),
        ("reviews.0.steps.1.at", at(21), "review_late", True),
        ("reviews.0.factors", [], "no_causes", False),
        ("reviews.0.factors.0.element", "person", "people_only", False),
        ("reviews.0.learning", [], "no_learning", False),
        ("actions.0.strength", "weaker", "weak_only", False),
        ("actions.0.evidence", [], "no_evidence", False),
        ("actions.0.done_at", at(31), "action_late", True),
        ("briefings", [], "not_shared", False),
        ("briefings", [briefing(reached_at=None, understood=1)], "sharing_not_reached", True),
        ("briefings", [briefing(reached_at=None, due_at=at(300))], "sharing_not_reached", False),
        ("briefings", [briefing(reached_at=at(61))], "sharing_late", True),
        ("checkpoints", [], "effect_not_judged", False),
        ("checkpoints.0.verdict", None, "effect_not_judged", True),
        ("checkpoints.0.verdict", "cannot_judge", "effect_not_proven", False),
        ("checkpoints.0.verdict", "worse", "no_effect", False),
        ("checkpoints.0.decided_at", at(131), "judged_late", True),
        ("obligations.obligations", [obligation(submitted_at=at(2))], "obligation_late", True),
        ("obligations.obligations", [obligation(statutory_due_at=at(0.9))], "obligation_late", True),
        ("obligations.obligations", [obligation(state="to_submit", submitted_at=None)], "obligation_not_sent", True),
        (
            "obligations.obligations",
            [obligation(state="to_decide", must_decide=True, submitted_at=None)],
            "obligation_undecided",
            True,
        ),
        (
            "challenges",
            [challenge(status="open", late=True, climbs=1, level="board", due_at=at(40), answers=[])],
            "challenge_unanswered",
            True,
        ),
        ("challenges", [challenge(climbs=1)], "challenge_late", True),
        ("challenges", [challenge(status="answered", answer={"accepted": None})], "challenge_not_judged", False),
        ("candour", candour(status="to_decide", completed_at=None), "candour_undecided", False),
        ("candour", candour(missing=["letter"], completed_at=None, late_at=at(10)), "candour_incomplete", True),
        ("candour", candour(completed_at=at(12), late_at=at(10)), "candour_late", True),
        ("safeguarding", {"still_open": ["what the adult wants to happen"], "adults": []}, "safeguarding_open", False),
    ],
)
def test_each_gap_is_found_and_none_beside_it(path: str, value: Any, code: str, late: bool) -> None:
    assert codes(changed(path, value)) == [(code, late)]


def test_a_challenge_is_shown_with_its_level_its_answer_and_what_it_altered() -> None:
    [section] = [lines for label, lines in made("quality_lead").sections if label == "Challenge and response"]
    assert section[0].endswith(
        "challenge of the service meeting, by the regional manager to the registered manager. Did you watch the nights?"
    )
    assert section[1].endswith("answered by the registered manager, accepted; it altered pace. On both shifts.")


def test_done_is_not_verified() -> None:
    record = changed("actions.0.status", "done")
    record["actions"][0] |= {"verify_due_at": at(39), "verifications": []}
    assert codes(record) == [("not_verified", True)]
    [gap] = gaps.find(record, NOW)
    assert gap.due is not None
    assert gap.due.isoformat() == at(39)
    assert "161 days late" in gap.what


def test_an_action_that_is_not_done_and_no_action_at_all() -> None:
    assert codes(changed("actions.0.status", "open")) == [("action_open", True)]
    assert codes(changed("actions", [])) == [("no_actions", False)]
    assert codes(changed("actions.0.status", "cancelled")) == [("no_actions", False)]


def test_what_may_not_be_read_is_no_gap() -> None:
    for part in ("reviews", "actions", "checkpoints", "briefings", "escalations", "obligations", "candour", "checks"):
        assert codes(changed(part, None)) == [], part


def test_what_was_imported_or_withdrawn_says_so_and_nothing_more() -> None:
    assert codes(changed("summary.origin", "import")) == [("imported", False)]
    record = changed("incident.stage", "withdrawn")
    record |= {"reviews": [], "actions": [], "checkpoints": [], "briefings": []}
    assert codes(record) == [("withdrawn", False)]


def test_a_check_that_was_set_aside_or_has_time_left_is_no_gap() -> None:
    for one in (
        check(done_at=None, set_aside_reason="In hospital"),
        check(done_at=None, state="to_do", required_at=at(300)),
    ):
        assert codes(changed("checks", [one])) == []


def test_who_was_called_many_times_is_one_gap_with_their_number() -> None:
    record = whole()
    record["escalations"] = [{**record["escalations"][0], "acknowledged_at": None} for _ in range(30)]
    [gap] = gaps.find(record, NOW)
    assert gap.what == "The on call manager was called 30 times and did not answer."


# Redaction and pages.

PEOPLE = [
    {"display_name": "Kofi Mensah", "roles": [{"role": "carer"}]},
    {"display_name": "Ruth Okafor", "roles": [{"role": "registered_manager"}]},
    {"display_name": "Registered manager of Alder House", "roles": [{"role": "registered_manager"}]},
]
NAMES = redaction.names_of(PEOPLE)


def made(role: str, names: dict[str, str] | None = NAMES, record: dict[str, Any] | None = None) -> page.Page:
    redactor = redaction.Redactor(role, names)
    return page.make(record or whole(), "Drawn at random", NOW, redactor, frameworks.shipped(), {PLACE: "Alder House"})


def test_names_mail_and_telephones_are_covered() -> None:
    text = json.dumps(made("quality_lead").to_json(), ensure_ascii=False)
    for hidden in ("Kofi", "Mensah", "Ruth", "Okafor", "jane@", "07700", CARER, MANAGER, LEAD):
        assert hidden not in text
    assert "[carer] found her on the floor. Family: [mail]" in text
    assert "Alarm mats checked by [registered manager] at each handover" in text
    assert "Ring [telephone]" in text
    assert "the quality lead by spot check, 10 of 10" in text


def test_a_role_takes_out_what_it_may_and_says_what_is_left_out() -> None:
    lead, director, carer = made("quality_lead"), made("director"), made("carer")
    assert "on the floor" in str(lead.sections)
    assert lead.withheld == []
    assert "on the floor" not in str(director.sections)
    assert "checked at handover" in str(director.sections)
    assert director.withheld == ["The reporter's own words are left out for this role."]
    assert "handover" not in json.dumps(carer.to_json())
    assert len(carer.withheld) == 3


def test_no_text_leaves_where_names_cannot_be_covered() -> None:
    shown = made("quality_lead", names=None)
    assert "floor" not in json.dumps(shown.to_json())
    assert "handover" not in json.dumps(shown.to_json())
    assert len(shown.withheld) == 3


@given(st.sampled_from(sorted(NAMES)), st.text(" .,;:!?\n-", max_size=3), st.text(" .,;:!?\n-", max_size=3))
def test_a_name_is_covered_wherever_it_stands(name: str, before: str, after: str) -> None:
    covered = redaction.Redactor("quality_lead", NAMES).text("review", f"Told{before or ' '}{name}{after or ' '}today")
    assert covered is not None
    assert name not in covered


def test_a_word_that_is_also_a_name_stays_a_word() -> None:
    names = redaction.names_of([{"display_name": "Mark Ellis", "roles": [{"role": "registered_manager"}]}])
    redactor = redaction.Redactor("quality_lead", names)
    assert redactor.text("review", "They mark the chart.") == "They mark the chart."
    assert (
        redactor.text("review", "mark ellis and Mark saw it.")
        == "[registered manager] and [registered manager] saw it."
    )


# Frameworks.


def test_the_frameworks_are_whole() -> None:
    shipped = frameworks.shipped()
    assert [len(one.statements) for one in shipped.frameworks] == [34, 24]
    assert [len(s) for s in shipped.frameworks[0].questions.values()] == [8, 6, 5, 7, 8]
    assert [len(s) for s in shipped.frameworks[1].questions.values()] == [7, 4, 3, 4, 6]
    assert len(shipped.categories) == 6
    assert all(one.source and one.status for one in shipped.frameworks)


def test_the_statements_are_those_that_were_collected_from_public_sources() -> None:
    if not COLLECTED.exists():
        pytest.skip(f"NOT TESTED: {COLLECTED} is not there; the collection is not copied into the repository")
    shipped, found = frameworks.shipped(), json.loads(COLLECTED.read_text())
    for own, collected in zip(shipped.frameworks, found["frameworks"], strict=True):
        assert own.id == collected["id"]
        named = [(q.lower().replace("-", "_"), one) for q, names in own.questions.items() for one in names]
        # The collection shortens one name; the regulator's own stands in the file.
        whole = {"Environmental sustainability": "Environmental sustainability - sustainable development"}
        titles = [(one["key_question"], whole.get(one["title"], one["title"])) for one in collected["items"]]
        assert named == titles
        assert collected["count"] == len(named)


def _broken(data: dict[str, Any], where: str) -> None:
    saf = data["frameworks"][0]["questions"]["Safe"]
    match where:
        case "a statement twice":
            saf.append(saf[0])
        case "a statement without a crosswalk":
            saf.append("Something new")
        case "a crosswalk that leads nowhere":
            data["crosswalk"]["statements"][saf[0]] = ["Nothing"]
        case "a crosswalk of no framework":
            data["crosswalk"]["to"] = "another"
        case "a framework twice":
            data["frameworks"].append(data["frameworks"][0])
        case "a category twice":
            data["categories"].append(data["categories"][0])
        case "a rule twice":
            data["rules"].append(data["rules"][0])
        case "a rule of an unknown statement":
            data["rules"][0]["statement"] = "Nothing"
        case "a rule of an unknown category":
            data["rules"][0]["category"] = "Nothing"
        case "a rule of an unknown part":
            data["rules"][0]["parts"] = ["nothing"]
        case "a rule for every page":
            data["rules"][0]["parts"] = []
        case "no source":
            del data["frameworks"][0]["source"]
        case "no version":
            del data["version"]


@pytest.mark.parametrize(
    "where",
    [
        "a statement twice", "a statement without a crosswalk", "a crosswalk that leads nowhere", "a crosswalk of no framework",
        "a framework twice", "a category twice", "a rule twice", "a rule of an unknown statement",
        "a rule of an unknown category", "a rule of an unknown part", "a rule for every page", "no source", "no version",
    ],
)  # fmt: skip
def test_a_broken_file_of_frameworks_is_refused(where: str) -> None:
    path = Path(frameworks.__file__).parent / "policies" / "frameworks.yaml"
    data = yaml.safe_load(path.read_text())
    frameworks.Frameworks.model_validate(data)
    _broken(data, where)
    with pytest.raises(ValidationError):
        frameworks.Frameworks.model_validate(data)


def test_a_page_is_evidence_for_what_is_really_there() -> None:
    found = made("quality_lead").evidence
    assert ("Learning culture", "Outcomes") in found
    assert ("Involving people to manage risks", "Processes") in found
    assert ("Safeguarding", "Processes") not in found
    record = changed("checkpoints", [])
    assert ("Learning culture", "Outcomes") not in made("quality_lead", record=record).evidence


def test_a_statement_that_no_rule_names_is_not_covered_and_says_so() -> None:
    saf, kloe = frameworks.shipped().organise({"x": [("Learning culture", "Processes")]})
    of = {s["statement"]: s for framework in (saf, kloe) for q in framework["questions"] for s in q["statements"]}
    assert of["Learning culture"]["evidence"] == {"Processes": ["x"]}
    assert of["Safety culture"]["evidence"] == {"Processes": ["x"]}
    assert of["Safety culture"]["through"] == ["Learning culture"]
    assert of["Equity in access"]["covered"] is False
    assert of["Medicines optimisation"] == {
        "statement": "Medicines optimisation", "covered": True, "through": [], "evidence": {},
    }  # fmt: skip


# The chart.


def test_the_chart_shows_what_its_table_says() -> None:
    months = chart.months_between(date(2024, 11, 5), date(2026, 3, 2))
    assert (months[0], months[-1], len(months)) == (date(2024, 11, 1), date(2026, 2, 1), 16)
    at_noon = [f"{month:%Y-%m}-10T12:00:00+00:00" for month in months for _ in range(2)]
    burst = [f"2026-01-{day:02}T12:00:00+00:00" for day in range(1, 21)]
    drawn = chart.of_months("Falls & more", [*at_noon, *burst], months, dict.fromkeys(months, 900.0), "bed days")
    assert drawn is not None
    assert [r["incidents"] for r in drawn.rows] == [2] * 14 + [22, 2]
    assert [r["month"] for r in drawn.rows if r["says"] == "special_cause_concern"] == ["2026-01"]
    assert "More than chance explains in 2026-01" in drawn.says
    assert drawn.svg.count("<circle") + drawn.svg.count("<path") + drawn.svg.count("<rect x") == len(months)
    assert 'role="img"' in drawn.svg
    assert "Falls &amp; more" in drawn.svg
    count = chart.of_months("Falls", at_noon, months, {months[0]: 900.0}, "bed days")
    assert count is not None
    assert count.rows[0]["exposure"] is None
    assert chart.of_months("Falls", at_noon, months[:2], None, "") is None


# The whole pack, built from what a reader answers.


class Answers:
    """Somebody who reads: answers from a table of paths; what is not in it is not there, what is refused is refused."""

    def __init__(self, refused: str = "") -> None:
        self.refused = refused

    def get(self, service: str, path: str, **query: Any) -> Any:
        if self.refused and re.search(self.refused, f"{service}:{path}"):
            raise _refusal(403)
        record = whole()
        rows = [row(number, location_id=PLACE) for number in range(0xA1, 0xAC)]
        rows[3] |= {"category": "death"}
        one = re.fullmatch(r"/incidents/([^/]+)(?:/(\w+))?", path)
        if path == "/themes/t":
            return theme()
        if path == "/themes/t/timeline":
            return theme_timeline()
        if path == "/themes/t/members":
            said = [("linked", "Same corner."), ("excluded", "Kofi Mensah was elsewhere."), ("linked", "Same corner.")]
            return _page([member(0xA1 + n, *one) for n, one in enumerate(said)])
        if path == "/governance-items/g/audit":
            return chain(UUID(int=0x91))
        if path == "/themes/t/audit":
            return chain(UUID(int=0x71))
        if path == "/overview":
            return {"as_of": NOW.isoformat()}
        if path == "/locations/overview":
            return _page([{"location_id": PLACE, "name": "Alder House"}])
        if path == "/people":
            return _page(PEOPLE)
        if path == "/incidents":
            return _page(rows)
        if path.endswith("/exposures"):
            return []
        if one and one[2] is None:
            return {**record["incident"], "incident_id": one[1]}
        if one and one[2] == "timeline":
            summary = {**row(int(UUID(one[1]))), "briefing": {"briefing_id": "b"}}
            return {**record["timeline"], "incident": summary}
        if one and one[2] == "audit":
            return chain(UUID(one[1]))
        if one and one[2] == "safeguarding":
            raise _refusal(404)
        if one:
            return record[str(one[2])]
        kind = path.strip("/").split("/")[0]
        if kind == "obligations":
            return _page([{"incident_id": rows[5]["incident_id"], "rule": "cqc-serious-injury"}])
        if path.count("/") == 1:
            return _page([{"review_id": "r", "action_id": "a", "checkpoint_id": "c", "item_id": "g"}])
        if kind == "briefings":
            return {**briefing(), "locations": {"items": [{"location_id": PLACE}]}}
        return record[{"governance-items": "challenges"}.get(kind, kind)][0]


def _page(rows: list[Any]) -> dict[str, Any]:
    return {"items": rows, "next": None}


def _refusal(status: int) -> Refused:
    return Refused(status, f"GET /x answered {status}")


def chain(incident_id: UUID) -> list[dict[str, Any]]:
    """Three entries, as a service exports them."""
    actor = Actor(id=UUID(MANAGER), provider_id=UUID(int=9), roles=frozenset())
    entries: list[dict[str, Any]] = []
    for seq in range(1, 4):
        entry = audit.build_entry(
            chain=incident_id, seq=seq, previous_hash=entries[-1]["hash"] if entries else audit.GENESIS, actor=actor,
            action="noted", subject=incident_id, at=NOW, data={"step": seq},
        )  # fmt: skip
        entries.append(
            {
                **entry,
                "chain": str(incident_id),
                "provider_id": str(UUID(int=9)),
                "at": NOW.isoformat(timespec="microseconds"),
            }
        )
    return entries


@pytest.fixture(scope="module")
def built() -> Built:
    return build(Answers(), "quality_lead", Asked(location=PLACE), seed=7)


def unpacked(pack: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(pack)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_a_pack_is_whole_and_verifies(built: Built) -> None:
    found = manifest.check(built.content)
    assert found.faults == ()
    assert found.pack_id == built.pack_id
    files = unpacked(built.content)
    said = json.loads(files["selection.json"])
    assert built.incidents == 7 == len([name for name in files if name.startswith("records/")])
    assert len(said["candidates"]) == 11
    assert sorted(said["serious"].values()) == [["death"], ["serious injury"]]
    assert (found.chains, found.entries) == (28, 84)
    assert files["pack.pdf"].startswith(b"%PDF")
    html = files["index.html"].decode()
    for shown in ("with the seed 7", "11 incidents and near misses", "<svg", "Safety culture", "What is not in it"):
        assert shown in html
    for hidden in ("Mensah", "Okafor", "jane@", "07700"):
        assert hidden not in html
    assert html.index("<h3>Gaps</h3>") < html.index("<caption>The chain</caption>")
    assert json.loads(files["manifest.json"])["versions"]["frameworks"] == frameworks.shipped().version


def test_the_same_seed_and_day_make_the_same_pack(built: Built) -> None:
    assert build(Answers(), "quality_lead", Asked(location=PLACE), seed=7).content == built.content
    assert build(Answers(), "quality_lead", Asked(location=PLACE), seed=8).pack_id != built.pack_id


def test_what_a_role_may_not_read_is_not_there_and_that_is_said() -> None:
    made = build(Answers("^review:|^intake:/obligations$"), "registered_manager", Asked(location=PLACE), seed=7)
    files = unpacked(made.content)
    assert manifest.check(made.content).faults == ()
    assert not [name for name in files if name.startswith("audit/review/")]
    record = json.loads(next(content for name, content in files.items() if name.startswith("records/")))
    assert "Not shown, because this role may not read it: the review." in record["withheld"]
    assert record["sections"]["Causes"] == ["Nothing is recorded."]
    assert "may not list obligations" in files["index.html"].decode()


def test_a_theme_has_a_page_before_its_members_and_an_incident_itself() -> None:
    made = build(Answers("^actions:/incidents/t/"), "quality_lead", Asked(theme="t"), seed=0)
    files = unpacked(made.content)
    about = json.loads(files["manifest.json"])
    assert about["incidents"] == [row(number)["incident_id"] for number in (0xA1, 0xA3)]
    assert made.incidents == 2
    assert about["seed"] is None
    assert f"audit/review/{THEME}.json" in files
    html = files["index.html"].decode()
    assert "2 were considered and left out" in html
    first = json.loads(files[f"records/theme-{THEME}.json"])
    assert [gap["what"] for gap in first["gaps"]] == ["Late: The actions are to be done"]
    sections = first["sections"]
    assert sections["Why it was looked at"][:2] == [
        "Falls at the corner",
        "Three in a week. [registered manager] saw two.",
    ]
    assert sections["Questions"] == ["What do they have in common?"]
    assert sections["Members"] == ["Fall of 2026-03-02, Alder House: Same corner."] * 2
    assert sections["Considered and left out"] == ["Fall of 2026-03-02, Alder House: [carer] was elsewhere."]
    assert sections["Learning"] == ["What must work at night is checked at handover."]
    assert "spot check" in sections["Verified by"][0]
    assert sections["Shared with"][0].startswith("Sent ")
    assert "improved and sustained" in sections["Effect"][0]
    assert "Not shown, because this role may not read it: the audit chain of actions." in first["withheld"]
    assert html.index(f'id="theme-{THEME}"') < html.index('id="incident-')
    blind = build(Answers("^actions:/incidents/t/"), "carer", Asked(theme="t"), seed=0)
    said = json.loads(unpacked(blind.content)[f"records/theme-{THEME}.json"])
    assert "Falls at the corner" not in json.dumps(said)
    assert "What people wrote of the theme is left out for this role." in said["withheld"]


def test_an_incident_that_is_asked_for_is_all_of_the_pack() -> None:
    alone = json.loads(
        unpacked(build(Answers(), "quality_lead", Asked(incident=INCIDENT), seed=0).content)["manifest.json"]
    )
    assert alone["incidents"] == [INCIDENT]
    assert alone["subject"] == {"kind": "incident", "id": INCIDENT}


def test_what_a_pack_is_of_is_asked_once() -> None:
    run, out = CliRunner().invoke, ["--out", "x.zip"]
    for words in ([], ["--demo", "--incident", "i"], ["--incident", "i", "--from", "2026-01-01"]):
        done = run(app, ["pack", "build", *out, *words])
        assert isinstance(done.exception, StackError), words


def test_an_incident_has_one_page_of_the_pdf() -> None:
    record = whole()
    record["reviews"] = [{**record["reviews"][0], "cycle": n, "why": "Because of this. " * 60} for n in range(1, 6)]
    record["actions"] = record["actions"] * 12
    pages = [made("quality_lead", record=record), made("quality_lead")]
    pages[1] = page.Page(**{**vars(pages[1]), "incident_id": str(UUID(int=0xA2))})
    pack = render.content(
        title="A pack", author="The quality lead", facts=[], choice=[], withheld=[], pages=pages, chart=None,
        frameworks=frameworks.shipped(),
    )  # fmt: skip
    template = Path(render.__file__).parent / "templates" / "pack.typ"
    found = json.loads(typst.query(str(template), "<incident>", field="value", sys_inputs={"pack": json.dumps(pack)}))
    assert [one["number"] for one in found] == [1, 2, None]
    first, second, last = (one["page"] for one in found)
    assert (second - first, last - second) == (1, 0)


# What was changed.


def names(content: bytes) -> set[str]:
    return {fault.file for fault in manifest.check(content).faults}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_one_bit_of_any_file_names_that_file(built: Built, data: Any) -> None:
    files = unpacked(built.content)
    name = data.draw(st.sampled_from(sorted(files)))
    content = bytearray(files[name])
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    found = names(packed({**files, name: bytes(content)}))
    assert name in found
    # A changed manifest may speak of other files; a changed file speaks of itself only.
    assert name == manifest.MANIFEST or found == {name}


def test_every_file_is_named_when_it_is_removed_and_when_one_is_added(built: Built) -> None:
    files = unpacked(built.content)
    for name in files:
        left = {other: content for other, content in files.items() if other != name}
        assert names(packed(left)) == {name}
    assert names(packed({**files, "records/more.json": b"{}"})) == {"records/more.json"}


def _chains(built: Built) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for name, content in unpacked(built.content).items():
        if name.startswith("audit/"):
            yield name, json.loads(content)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda entries: entries[1]["data"].update(step=9), "entry 2 was changed"),
        (lambda entries: entries.pop(1), "entry 2 is missing"),
        (lambda entries: entries[2].update(previous_hash="0" * 64), "entry 3 does not follow entry 2"),
        (lambda entries: entries[0].pop("at"), "cannot be read as an audit chain"),
    ],
)
def test_a_changed_entry_is_named_even_if_all_hashes_were_made_anew(
    built: Built, change: Callable[[list[dict[str, Any]]], Any], said: str
) -> None:
    name, entries = next(_chains(built))
    change(entries)
    files = unpacked(built.content)
    about = json.loads(files.pop(manifest.MANIFEST))
    forged, forged_id = manifest.write(
        {k: v for k, v in about.items() if k not in ("files", "pack_id", "format")},
        {**files, name: json.dumps(entries).encode()},
    )
    [fault] = manifest.check(forged).faults
    assert fault.file == name
    assert said in fault.what
    assert forged_id != built.pack_id


@settings(max_examples=150, deadline=None)
@given(position=st.integers(0, 10**9), bit=st.integers(0, 7))
def test_a_damaged_zip_is_never_a_crash(built: Built, position: int, bit: int) -> None:
    content = bytearray(built.content)
    content[position % len(content)] ^= 1 << bit
    manifest.check(bytes(content))


@given(st.binary(max_size=200))
def test_what_is_no_pack_is_refused(content: bytes) -> None:
    assert manifest.check(content).faults


def test_the_command_verifies_without_a_stack(built: Built, tmp_path: Path) -> None:
    file, run = tmp_path / "pack.zip", CliRunner().invoke
    file.write_bytes(built.content)
    home = ["--home", str(tmp_path / "nothing")]
    good = run(app, [*home, "pack", "verify", str(file), "--expect", built.pack_id, "--json"])
    assert good.exit_code == 0, good.output
    assert json.loads(good.stdout)["holds"] is True
    assert run(app, [*home, "pack", "verify", str(file), "--expect", "0" * 64]).exit_code == 1
    files = unpacked(built.content)
    name = f"records/incident-{json.loads(files['manifest.json'])['incidents'][0]}.json"
    files[name] = files[name].replace(b"low", b"lox", 1)
    file.write_bytes(packed(files))
    bad = run(app, [*home, "pack", "verify", str(file)])
    assert bad.exit_code == 1
    assert name in bad.stdout


def test_incident_ids_of_the_records_are_as_asked(built: Built) -> None:
    about = json.loads(unpacked(built.content)["manifest.json"])
    assert INCIDENT in json.loads(unpacked(built.content)["selection.json"])["candidates"]
    assert about["subject"] == {"kind": "location", "id": PLACE, "first_day": "2025-09-18", "last_day": "2026-09-18"}
    assert about["built_by_role"] == "quality_lead"
    assert about["seed"] == 7


def test_the_records_of_these_tests_have_the_fields_that_the_apis_answer() -> None:
    from services.actions import queries as actions
    from services.actions.impact import queries as impact
    from services.actions.verification import queries as verification
    from services.intake import queries as intake
    from services.intake.candour import queries as candours
    from services.intake.checks import queries as checks
    from services.intake.escalation import queries as escalation
    from services.intake.obligations import queries as obligations
    from services.reporting import queries as reporting
    from services.review import queries as review
    from services.review.sharing import queries as sharing
    from services.review.thematic import queries as thematic

    record = whole()
    [one_review], [one_action] = record["reviews"], record["actions"]
    of_reach = {"audience", "understood", "target_percent", "due_at", "reached_at", "locations"}
    of_row = {"actual_harm", "origin", "ended_at", "next_due_at"}
    for model, has in (
        (reporting.IncidentSummary, set(record["summary"])),
        (reporting.TimelineEntry, set(record["timeline"]["entries"][0])),
        (intake.IncidentView, set(record["incident"]) - of_row),
        (intake.TriageView, set(record["incident"]["triage"][0])),
        (intake.FeedbackView, set(record["feedback"][0])),
        (checks.CheckView, set(check())),
        (escalation.EscalationView, set(record["escalations"][0])),
        (obligations.ObligationView, set(obligation())),
        (candours.CandourView, set(candour())),
        (review.ReviewView, set(one_review)),
        (review.StepView, set(one_review["steps"][0])),
        (review.FactorView, set(one_review["factors"][0])),
        (actions.ActionView, set(one_action)),
        (actions.EvidenceView, set(one_action["evidence"][0])),
        (verification.VerificationView, set(one_action["verifications"][0])),
        (impact.CheckpointView, set(record["checkpoints"][0])),
        (sharing.BriefingReach, of_reach),
        (sharing.BriefingView, set(briefing()) - of_reach),
        (thematic.ThemeView, set(theme())),
        (thematic.MemberView, set(member(1, "linked", ""))),
        (reporting.ThemeTimeline, set(theme_timeline())),
        (reporting.ThemeSummary, set(theme_timeline()["theme"])),
        (reporting.ClockView, set(theme_timeline()["clocks"][0])),
    ):
        assert has <= set(model.model_fields), (model.__name__, has - set(model.model_fields))
