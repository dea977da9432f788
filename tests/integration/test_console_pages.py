"""Pages of the console over the real services and a real database, without a browser: what each form sends, and how a
refusal and a stale page come back with nothing typed lost."""
# ruff: noqa: F811 - fixtures

import asyncio
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from services.console.__main__ import ROUTERS
from services.console.app import build_app
from services.console.pages import overview
from services.console.session import Session
from services.console.settings import ConsoleSettings
from services.console.visit import onlooker
from services.contracts.taxonomy import Band
from services.runtime.actor import Actor
from services.runtime.auth import Authenticator
from tests.conftest import Issuer, MovableClock, ServiceClient
from tests.integration.test_reporting import Book
from tests.integration.test_review import Desk, desk, home  # noqa: F401 - fixtures

SERVICES = ("directory", "intake", "review", "actions", "reporting")


class InProcess:
    """Stands where the console has its HTTP client: the same requests go to the services in this process."""

    def __init__(self, client: Callable[[str], ServiceClient]) -> None:
        self._apps = {name: client(name).http for name in SERVICES}

    def request(self, method: str, url: str, **how: Any) -> httpx.Response:
        name, _, path = url.removeprefix("http://").partition("/")
        return self._apps[name].request(method, f"/{path}", **how)  # type: ignore[return-value]


class Forms(HTMLParser):
    """The forms of a page by where they go, each with the fields as a browser would send them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str | list[str]]] = {}
        self._form: dict[str, Any] | None = None
        self._area: str | None = None
        self._select: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "form":
            self._form = self.found.setdefault(given.get("action") or "", {})
        if self._form is None or (not name and tag != "option"):
            return
        if tag == "input" and given.get("type") in ("checkbox", "radio"):
            if "checked" in given:
                self._form.setdefault(name, []).append(given.get("value") or "")
        elif tag == "input":
            self._form[name] = given.get("value") or ""
        elif tag == "textarea":
            self._area, self._form[name] = name, ""
        elif tag == "select":
            self._select, self._form[name] = name, ""
        elif tag == "option" and self._select and "selected" in given:
            self._form[self._select] = given.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        if tag == "textarea":
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._form is not None and self._area:
            self._form[self._area] += data


@dataclass
class Page:
    """What somebody has open, and how they go on from it."""

    http: TestClient
    html: str = ""
    status: int = 0
    path: str = ""
    forms: dict[str, dict[str, Any]] = field(default_factory=dict)

    def open(self, path: str) -> "Page":
        return self._shown(self.http.get(path), path)

    def send(self, action: str, **fields: Any) -> "Page":
        """Fill in the form that goes there, and send it."""
        content = {**self.forms[action], **fields}
        path = action or self.path
        return self._shown(self.http.post(path, data=content), path)

    def _shown(self, answer: Any, path: str) -> "Page":
        self.html, self.status, self.path = unescape(answer.text), answer.status_code, answer.url.path
        self.forms = Forms(answer.text).found
        assert self.status < 500, self.html
        return self

    def says(self, *words: str) -> None:
        for said in words:
            assert said in self.html, re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", self.html))


@pytest.fixture
def person(client: Callable[[str], ServiceClient], issuer: Issuer, clock: MovableClock) -> Callable[[Actor], Page]:
    """`person(actor)` is somebody who has signed in."""
    settings = ConsoleSettings(
        **{f"{name}_url": f"http://{name}" for name in SERVICES},  # type: ignore[arg-type]
        oidc_issuer=issuer.url, oidc_jwks_url=issuer.url, oidc_audience="plumbline", environment="local",
        console_public_url="http://testserver", console_session_keys=Fernet.generate_key().decode(),
    )  # fmt: skip
    app = build_app(settings, ROUTERS)
    app.state.http, app.state.clock = InProcess(client), clock
    app.state.authenticator = Authenticator(issuer.settings())

    def signed_in(actor: Actor) -> Page:
        at = datetime.now(UTC).timestamp()
        session = Session(issuer.token(actor), None, at + 3600, "Somebody", at, at)
        kept = Response()
        app.state.cookies.keep(kept, session, None)
        pairs = [value.decode().split(";")[0] for name, value in kept.raw_headers if name == b"set-cookie"]
        cookies = dict(pair.split("=", 1) for pair in pairs if not pair.endswith('=""'))
        return Page(TestClient(app, cookies=cookies))

    return signed_in


@dataclass
class Case:
    """An incident and who deals with it."""

    intake: ServiceClient
    home: uuid.UUID
    actor: Any
    now: datetime
    id: str = ""

    def report(self, category: str = "fall", *, by: Actor | None = None, **more: Any) -> str:
        body = {
            "location_id": str(self.home), "occurred_at": (self.now - timedelta(hours=1)).isoformat(), "category": category,
            "immediate_danger": False, "narrative": "Found on the floor.", "not_about_staff": category == "abuse_allegation",
            **more,
        }  # fmt: skip
        if more.get("about_staff"):
            del body["not_about_staff"]
        answer = self.intake.post("/incidents", by or self.actor("carer", locations=[self.home]), body)
        assert answer.status_code == 201, answer.text
        self.id = answer.json()["incident_id"]
        return self.id

    def triage(self, **scores: Any) -> None:
        manager = self.actor("quality_lead")
        record = self.intake.get(f"/incidents/{self.id}", manager).json()
        body = {
            "actual_harm": "severe", "consequence": 4, "likelihood": 4, "reason": "By what is known.", **scores,
            "earlier_seen": self.intake.get(f"/incidents/{self.id}/earlier", manager).json()["total"],
        }  # fmt: skip
        answer = self.intake.post(f"/incidents/{self.id}/triage", manager, body, version=record["version"])
        assert answer.status_code == 200, answer.text


@pytest.fixture
def case(client: Callable[[str], ServiceClient], place: Callable[..., uuid.UUID], actor: Any, now: datetime) -> Case:
    return Case(client("intake"), place("intake"), actor, now)


def test_triage_places_what_is_wrong_and_keeps_what_was_typed(case: Case, person: Any, actor: Any) -> None:
    case.report()
    case.report()
    page = person(actor("registered_manager", locations=[case.home])).open(f"/incidents/{case.id}/triage")
    page.says("the rule suggests", "I have looked at what came before: 1")
    page.send("")
    assert page.status == 422
    page.says("Choose the harm to the body", "Choose how likely that is")
    low = {f"triage_{name}": value for name, value in (
        ("actual_harm", "low"), ("psychological_harm", "none"), ("consequence", "2"), ("likelihood", "1"),
    )}  # fmt: skip
    page.send("", **low)
    page.says("Say why it is less serious than the rule suggests")
    page.send("", triage_reason="A soft carpet.")
    page.says("Look at what came before, and tick that you did")
    assert page.forms[""]["triage_reason"] == "A soft carpet."
    assert page.forms[""]["triage_consequence"] == ["2"]
    case.triage()
    page.send("", triage_earlier_seen="1")
    assert page.status == 412
    page.says("Somebody changed this since you opened it")
    assert page.forms[""]["triage_reason"] == "A soft carpet."
    page.send("", triage_earlier_seen="1")
    page.says("Your triage is kept")
    assert person(actor("carer", locations=[case.home])).open(f"/incidents/{case.id}/triage").forms.get("") is None


def test_a_form_that_came_back_for_its_words_overwrites_nothing_unseen(case: Case, person: Any, actor: Any) -> None:
    """It carries the version that its writer saw, also where there was none yet; after the conflict, the newest."""
    incident, lead = case.report(), actor("quality_lead")
    manager = person(actor("registered_manager", locations=[case.home])).open(f"/incidents/{incident}/triage")
    scores = {"actual_harm": "low", "psychological_harm": "none", "consequence": "4", "likelihood": "4"}
    manager.send("", triage_consequence="4")
    assert manager.status == 422
    case.triage()
    typed = {f"triage_{name}": value for name, value in scores.items()} | {"triage_reason": "By what I saw."}
    manager.send("", **typed)
    assert manager.status == 412
    triaged = case.intake.get(f"/incidents/{incident}", lead).json()["triage"]
    assert [one["actual_harm"] for one in triaged] == ["severe"]
    manager.send("").says("Your triage is kept")

    manager.open(f"/incidents/{incident}/telling")
    other = person(lead).open(f"/incidents/{incident}/telling")
    for theirs, mine in (("2", "1"), ("4", "3")):
        manager.send("", facts_linked_infections="many")
        assert manager.status == 422
        other.open(f"/incidents/{incident}/telling").send("", facts_linked_infections=theirs).says(
            "Your answers are kept"
        )
        manager.send("", facts_linked_infections=mine)
        assert manager.status in (412, 428)
        manager.says("Somebody changed this since you opened it")
        kept = case.intake.get(f"/incidents/{incident}/facts", lead).json()["answers"]
        assert kept["linked_infections"] == int(theirs)
        assert manager.forms[""]["facts_linked_infections"] == mine
        manager.send("").says("Your answers are kept")


def test_what_decides_who_is_told_is_answered_and_a_duty_goes_its_way(case: Case, person: Any, actor: Any) -> None:
    incident = case.report()
    case.triage()
    page = person(actor("registered_manager", locations=[case.home])).open(f"/incidents/{incident}/telling")
    page.says("What decides it", "In the reasonable opinion of a health care professional")
    form = page.forms[""]
    assert "facts_serious_injury_test" not in form  # nothing is chosen beforehand
    page.send("", facts_professional_opinion_at="never", facts_linked_infections="many")
    assert page.status == 422
    assert page.forms[""]["facts_linked_infections"] == "many"
    page.send(
        "", facts_serious_injury_test="yes", facts_serious_injury_kinds=["impairment"], facts_linked_infections="0",
        facts_professional_role="Doctor", facts_professional_opinion_at="2026-06-08T09:00", facts_people="P1 MS",
    )  # fmt: skip
    page.says("Your answers are kept")
    answers = case.intake.get(f"/incidents/{incident}/facts", actor("quality_lead")).json()["answers"]
    assert answers["people"] == [{"code": "P1", "local_authority": "MS"}]
    said_at = datetime.fromisoformat(answers["professional_opinion_at"])
    assert said_at == datetime(2026, 6, 8, 8, tzinfo=UTC)  # it was typed as England's time, in summer
    assert (answers["serious_injury_kinds"], answers["linked_infections"]) == (["impairment"], 0)
    assert page.forms[""]["facts_people"].strip() == "P1 MS"
    page.send("", facts_linked_infections="not_known")
    rows = case.intake.get(f"/incidents/{incident}/obligations", actor("quality_lead")).json()["obligations"]
    duty = next(row for row in rows if row["rule"] == "cqc-serious-injury")["obligation_id"]
    decide, submit, confirm = (f"/obligations/{duty}/{name}" for name in ("decide", "submit", "confirm"))
    page.open(f"/obligations/{duty}")
    page.send(decide, decide_decision="not_notify").says("is needed to decide not to notify")
    other = person(actor("quality_lead")).open(f"/obligations/{duty}")
    page.send(decide, decide_decision="notify")
    page.says("Your decision is kept")
    other.send(decide, decide_decision="not_notify", decide_reason="No injury of the regulation.")
    assert other.status == 409
    other.says("This obligation was decided already")
    assert other.forms[decide]["decide_reason"] == "No injury of the regulation."
    page.send(submit, submit_reference="CQC-1", submit_submitted_at="2031-01-01T10:00").says("is in the future")
    assert page.forms[submit]["submit_reference"] == "CQC-1"
    page.send(submit, submit_submitted_at="2026-06-08T09:30").says("It is recorded as sent")
    page.send(confirm, confirm_received_at="2026-06-08T09:45").says("It is recorded as confirmed")
    draft = page.http.get(f"/obligations/{duty}/draft")
    assert "attachment" in draft.headers["content-disposition"]


def test_what_no_rule_asks_for_is_opened_and_decided(case: Case, person: Any, actor: Any) -> None:
    incident = case.report("medication")
    page = person(actor("registered_manager", locations=[case.home])).open(f"/incidents/{incident}/telling")
    opened = f"/incidents/{incident}/telling/open"
    page.send(opened).says("Choose what is to be decided")
    page.send(opened, open_rule="cqc-serious-injury").says("Serious injury")


def test_candour_is_decided_by_an_opinion_and_its_parts_are_recorded(case: Case, person: Any, actor: Any) -> None:
    incident = case.report()
    case.triage()
    page = person(actor("registered_manager", locations=[case.home])).open(f"/incidents/{incident}/candour")
    decide, part, letter, attempt = (
        f"/incidents/{incident}/candour/{name}" for name in ("decide", "part", "letter", "attempt")
    )
    page.send(decide).says("Answer yes or no", "Say why, on which facts")
    asked = {"decide_unintended_or_unexpected": "yes", "decide_during_regulated_activity": "yes"}
    page.send(decide, **asked, decide_harm_test="met", decide_reason="A fall.").says("health care professional")
    assert page.forms[decide]["decide_reason"] == "A fall."
    page.send(
        decide, decide_professional_role="Surgeon", decide_professional_opinion="Broken.", decide_limbs=["impairment"],
        decide_opinion_at="2026-06-08T09:30", decide_relevant_person="service_user", decide_lasting_days="9",
    ).says("must be at least 28")  # fmt: skip
    page.send(decide, decide_lasting_days="60", decide_limbs=["impairment"]).says("It applies")
    page.send(part, part_steps=["in_person_notification", "apology"], part_at="2026-06-08T09:40").says("Done")
    page.send(letter, letter_content="Dear Mrs A").says("Choose what it is for")
    assert page.forms[letter]["letter_content"].strip() == "Dear Mrs A"
    page.send(letter, letter_purpose="written_notification").says("Written notification")
    page.send(attempt, attempt_how="phone", attempt_outcome="declined", attempt_at="2026-06-08T09:50")
    kept = case.intake.get(f"/incidents/{incident}/candour", actor("quality_lead")).json()
    assert [one["content"] for one in kept["letters"]] == ["Dear Mrs A"]
    assert [(one["how"], one["outcome"]) for one in kept["attempts"]] == [("phone", "declined")]
    assert {one["step"] for one in kept["steps"] if one["done"]} >= {"in_person_notification", "apology"}


def test_the_safeguarding_record_and_what_comes_of_a_referral(case: Case, person: Any, actor: Any) -> None:
    incident = case.report("abuse_allegation")
    page = person(actor("safeguarding_lead")).open(f"/incidents/{incident}/safeguarding")
    write, decide, refer, answer, outcome = (
        f"/incidents/{incident}/safeguarding/{name}" for name in ("write", "decide", "refer", "answer", "outcome")
    )
    page.send(write).says("Say whether the adult is safe now")
    page.send(
        write, write_abuse_types=["physical"], write_immediate_safety_secured="yes", write_safety_measures="Moved.",
        write_adults_0_code="R-17", write_adults_0_wish_0="That it stops.", write_adults_0_consent="given",
    ).says("It is kept")  # fmt: skip
    assert page.forms[write]["write_adults_0_wish_0"] == "That it stops."
    stale = person(actor("nominated_individual")).open(f"/incidents/{incident}/safeguarding")
    page.send(write, write_adults_0_met_0="partly").says("It is kept")
    stale.send(write, write_safety_measures="Something else.")
    assert stale.status == 412
    assert stale.forms[write]["write_safety_measures"].strip() == "Something else."
    page.send(decide, decide_0_decision="not_refer").says("is needed for a decision not to refer")
    page.send(decide, decide_0_decision="refer").says("to be referred")
    page.send(refer, refer_0_authority="MS", refer_0_reference="R1", refer_0_referred_at="2026-06-08T09:30")
    page.says("Referred to MS")
    page.send(answer, answer_0_0_decision="enquiry").says("Enquiry")
    page.send(outcome, outcome_0_0_outcome="inconclusive").says("Say what was found")
    page.send(outcome, outcome_0_0_summary="It could not be found out.").says("Inconclusive")
    record = case.intake.get(f"/incidents/{incident}/safeguarding", actor("safeguarding_lead")).json()
    assert record["adults"][0]["wishes"] == [{"outcome": "That it stops.", "met": "partly"}]


def test_a_check_is_recorded_and_another_set_aside(case: Case, person: Any, actor: Any) -> None:
    incident = case.report("medication")
    page = person(actor("shift_lead", locations=[case.home])).open(f"/incidents/{incident}/checks")
    record, aside = (
        f"/incidents/{incident}/checks/{name}" for name in ("clinical-advice/record", "care-plan-check/set-aside")
    )
    page.send(record).says("is missing")
    name = "record_clinical-advice_answers_"
    page.send(record, **{f"{name}advice": "Watch."})
    assert page.forms[record][f"{name}advice"].strip() == "Watch."
    page.send(record, **{f"{name}adviser": "nhs_111"}).says("NHS 111")
    page.send(aside).says("Say why it is not done")
    page.send(aside, **{"aside_care-plan-check_reason": "There is no plan yet."}).says("There is no plan yet.")
    carer = person(actor("carer", locations=[case.home])).open(f"/incidents/{incident}/checks")
    assert [path for path in carer.forms if path.endswith("set-aside")] == []


def test_a_hold_stands_until_they_agree(case: Case, person: Any, actor: Any) -> None:
    incident = case.report()
    page = person(actor("safeguarding_lead")).open(f"/incidents/{incident}/holds")
    place, look, lift = (f"/incidents/{incident}/holds/{name}" for name in ("place", "look", "lift"))
    page.send(place, place_waits_for="police", place_reason="They ask first.").says("Say when somebody asks again")
    assert page.forms[place]["place_reason"].strip() == "They ask first."
    page.send(place, place_asked_at="2026-06-08T09:40", place_look_again_at="2026-06-10T09:00").says("Police: stands")
    stale = person(actor("safeguarding_lead")).open(f"/incidents/{incident}/holds")
    page.send(look, look_0_said="Not yet.", look_0_look_again_at="2026-06-12T09:00").says("Not yet.")
    stale.send(lift, lift_0_answer="They agree.", lift_0_answered_at="2026-06-08T09:50")
    assert stale.status == 412
    assert stale.forms[lift]["lift_0_answer"].strip() == "They agree."
    stale.send(lift).says("Police: lifted")


@pytest.mark.parametrize("path", ["/incidents/not-an-id", "/reviews/7", "/nowhere"])
def test_an_address_that_was_typed_wrong_says_so(person: Any, actor: Any, path: str) -> None:
    page = person(actor("quality_lead")).open(path)
    assert page.status == 404
    page.says("Page not found", "Check the address")


def test_whoever_reports_what_only_some_may_see_has_a_receipt(case: Case, person: Any, actor: Any) -> None:
    carer = actor("carer", locations=[case.home])
    incident = case.report("abuse_allegation", by=carer, not_about_staff=False)
    page = person(carer).open(f"/report/{incident}/received")
    page.says("Your report is in", "only those who need to know")
    assert person(carer).open(f"/incidents/{incident}").status == 404
    assert person(actor("carer", locations=[case.home])).open(f"/report/{incident}/received").status == 404


def test_what_nobody_foresaw_has_a_page_too(person: Any, actor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    page = person(actor("quality_lead"))
    page.http = TestClient(page.http.app, cookies=page.http.cookies, raise_server_exceptions=False)
    monkeypatch.setattr("services.console.visit.render", lambda *_, **__: 1 / 0)
    answer = page.http.get("/library")
    assert answer.status_code == 500
    assert "<h1" in answer.text
    assert "Nothing that you sent before is lost" in answer.text


def test_a_restriction_is_recorded_looked_at_and_ended(case: Case, person: Any, actor: Any) -> None:
    incident = case.report("behaviour_distress")
    page = person(actor("registered_manager", locations=[case.home])).open(f"/incidents/{incident}/protections")
    protect, look, end = (f"/incidents/{incident}/protections/{name}" for name in ("protect", "look", "end"))
    page.send(protect, protect_what="The garden door is locked after dark.").says("Choose what it is", "Say why")
    typed = {
        "kind": "restriction", "concerns": "P1", "reason": "P1 went out in the snow.", "ends_when": "Three quiet weeks.",
        "started_at": "2026-06-08T09:00", "look_again_at": "2026-06-30T09:00",
    }  # fmt: skip
    page.send(protect, **{f"protect_{name}": value for name, value in typed.items()}).says("what less was considered")
    assert page.forms[protect]["protect_what"].strip() == "The garden door is locked after dark."
    page.send(protect, protect_least_restrictive="A sensor: nobody hears it.").says("is not within the next 7 days")
    page.send(protect, protect_look_again_at="2026-06-12T09:00").says("It is kept", "Restriction, P1: stands")
    page.open(f"/incidents/{incident}").says("1 stands, somebody looks again in 3 days")
    page.open(f"/incidents/{incident}/protections")
    stale = person(actor("safeguarding_lead")).open(f"/incidents/{incident}/protections")
    (one,) = case.intake.get(f"/incidents/{incident}/protections", actor("quality_lead")).json()
    looked, ended = f"look_{one['protection_id']}", f"end_{one['protection_id']}"
    page.send(look, **{f"{looked}_found": "She sleeps better."}).says("Say when somebody looks again")
    page.send(look, **{f"{looked}_look_again_at": "2026-06-14T09:00"}).says("She sleeps better.")
    stale.send(end, **{f"{ended}_ending": "lifted", f"{ended}_reason": "Three quiet weeks."})
    assert stale.status == 412
    stale.says("Somebody changed this since you opened it", "protection looked at")
    assert stale.forms[end][f"{ended}_reason"].strip() == "Three quiet weeks."
    stale.send(end).says("Restriction, P1: lifted", "nothing")
    assert person(actor("carer", locations=[case.home])).open(f"/incidents/{incident}/protections").status == 403


def test_of_people_who_harmed_one_another_the_medicines_are_asked_about(case: Case, person: Any, actor: Any) -> None:
    incident = case.report("behaviour_distress")
    page = person(actor("registered_manager", locations=[case.home])).open(f"/incidents/{incident}/protections")
    protect, look = (f"/incidents/{incident}/protections/{name}" for name in ("protect", "look"))
    typed = {
        "kind": "between_residents", "concerns": "P1 and P2", "what": "Each eats apart.", "reason": "A blow at lunch.",
        "ends_when": "Both want to sit together again.", "started_at": "2026-06-08T09:00", "look_again_at": "2026-06-20T09:00",
    }  # fmt: skip
    page.send(protect, **{f"protect_{name}": value for name, value in typed.items()}).says("P1 and P2: stands")
    (one,) = case.intake.get(f"/incidents/{incident}/protections", actor("quality_lead")).json()
    form = f"look_{one['protection_id']}"
    said = {f"{form}_found": "Both are calm.", f"{form}_look_again_at": "2026-07-20T09:00"}
    page.send(look, **said).says("or why the medicines were not reviewed")
    assert page.forms[look][f"{form}_found"].strip() == "Both are calm."
    page.send(look, **{f"{form}_medicines_reviewed_on": "2026-06-08"}).says("Medicines reviewed on 8 June 2026")


def test_a_discipline_is_kept_apart_on_a_page_for_few(case: Case, person: Any, actor: Any, clock: MovableClock) -> None:
    incident = case.report("medication")
    individual = actor("nominated_individual")
    page = person(individual).open(f"/incidents/{incident}").open(f"/incidents/{incident}/proceedings")
    begin, note, end = (f"/incidents/{incident}/proceedings/{name}" for name in ("begin", "note", "end"))
    page.send(begin, begin_about="Whether a chart was falsified.").says(
        "Choose what it is", "Say what is not given to it"
    )
    typed = {
        "kind": "discipline", "reference": "HR-7", "shared": "The chart itself.", "kept_apart": "What anybody said.",
        "begun_at": "2026-06-08T09:00", "next_at": "2026-06-01T09:00",
    }  # fmt: skip
    page.send(begin, **{f"begin_{name}": value for name, value in typed.items()}).says("has passed")
    assert page.forms[begin]["begin_about"].strip() == "Whether a chart was falsified."
    page.send(begin, begin_next_at="2026-06-12T09:00").says("Discipline HR-7: goes on")
    (one,) = case.intake.get(f"/incidents/{incident}/proceedings", individual).json()
    noted, ended = f"note_{one['proceeding_id']}", f"end_{one['proceeding_id']}"
    stale = person(actor("director")).open(f"/incidents/{incident}/proceedings")
    page.send(note, **{f"{noted}_said": "A hearing was set.", f"{noted}_next_at": "2026-06-20T09:00"})
    page.says("A hearing was set.")
    stale.send(end, **{f"{ended}_outcome": "No case to answer.", f"{ended}_ended_at": "2026-06-08T09:50"})
    assert stale.status == 412
    stale.says("proceeding noted", "A hearing was set.")
    clock.advance(timedelta(days=11, hours=12))
    page.open("/").says(f"/incidents/{incident}/proceedings#proceeding-{one['proceeding_id']}", "Next date: Discipline")
    stale.send(end).says("Discipline HR-7: ended", "No case to answer.")

    manager = person(actor("registered_manager", locations=[case.home]))
    assert manager.open(f"/incidents/{incident}/proceedings").status == 403
    assert "proceedings" not in manager.open(f"/incidents/{incident}").html


def test_a_look_that_is_due_stands_on_my_work(case: Case, person: Any, actor: Any, clock: MovableClock) -> None:
    incident = case.report("behaviour_distress")
    manager = actor("registered_manager", locations=[case.home])
    body = {
        "kind": "restriction", "concerns": "P1", "what": "The door is locked.", "reason": "Snow.", "ends_when": "Spring.",
        "least_restrictive": "A sensor.", "started_at": case.now.isoformat(),
        "look_again_at": (case.now + timedelta(days=2)).isoformat(),
    }  # fmt: skip
    one = case.intake.post(f"/incidents/{incident}/protections", manager, body).json()["protection_id"]
    page = person(manager).open("/")
    assert f"#protection-{one}" not in page.html
    clock.advance(timedelta(days=1, hours=12))
    page.open("/").says(f"/incidents/{incident}/protections#protection-{one}", "Look again: Restriction")


def test_whoever_was_asked_by_name_says_it_in_their_own_words(
    desk: Desk, home: uuid.UUID, person: Any, actor: Any
) -> None:
    desk.open(home)
    carer, lead = desk.make("carer", locations=[uuid.uuid4()]), desk.manager
    page = person(lead).open(f"{desk.path}/records/people")
    assert "people_person_id" not in page.forms[""]  # the directory knows nobody who works there
    asked = desk.api.post(
        f"{desk.path}/contributions", lead,
        {"part": "staff_involved", "person_id": str(carer.id), "asks": "What was the handover like?"},
    ).json()  # fmt: skip
    mine = f"/contributions/{asked['contribution_id']}"
    page = person(carer).open("/")
    page.says(mine, "What was the handover like?")
    page.open(mine).says("What was the handover like?", "does not look for somebody to blame")
    page.send("").says("Write what you know")
    page.send("", say_said="x" * 20_001)
    assert page.status == 422
    assert page.forms[""]["say_said"].strip() == "x" * 20_001
    other = person(carer).open(mine)
    page.send("", say_said="Nobody told us about the new bottle.").says("is kept, in your words")
    other.send("", say_said="It was loud.")
    assert other.status == 412
    other.says("Nobody told us about the new bottle.")
    assert other.forms[""]["say_said"].strip() == "It was loud."
    assert mine not in page.open("/").html
    assert person(desk.make("carer", locations=[uuid.uuid4()])).open(mine).status == 404
    person(lead).open(desk.path).says("Nobody told us about the new bottle.")


def test_an_indicator_is_begun_and_its_months_are_recorded(person: Any, actor: Any, client: Any) -> None:
    lead, api = actor("quality_lead"), client("actions")
    page = person(lead).open("/indicators").send("/indicators", begin_numerator="rounds without a mistake")
    page.says("Give it a name", "Choose which way is better")
    assert page.forms["/indicators"]["begin_numerator"] == "rounds without a mistake"
    typed = {"name": "Rounds", "about": "audit_score", "direction": "increase", "definition": "Watched by the lead."}
    page.send("/indicators", **{f"begin_{name}": value for name, value in typed.items()}, begin_share="yes")
    page.says("numerator and denominator belong together")
    page.send("/indicators", begin_denominator="rounds observed", begin_share="yes").says("It is begun")
    (one,) = api.get("/indicators", lead).json()["items"]
    assert (one["counted"], one["share"]) == (True, True)
    path = f"/indicators/{one['indicator_id']}"
    month, redefine = f"{path}/month", f"{path}/redefine"
    page.open(path).says("rounds without a mistake, out of rounds observed")
    page.send(month, month_numerator="9", month_denominator="9").says("Choose the month")
    page.send(month, month_month="2026-05", month_numerator="10").says("is more than the denominator")
    assert page.forms[month]["month_month"] == "2026-05"
    page.send(month, month_numerator="8").says("The month is kept", "8 of 9")
    page.send(month, month_month="2026-05", month_numerator="7", month_denominator="9").says("7 of 9", "corrected")
    page.send(month, month_month="2026-04", month_numerator="some", month_denominator="9")
    assert page.status == 422
    stale = person(actor("director")).open(path)
    page.send(redefine, redefine_definition="Watched by two.").says("Say why")
    page.send(redefine, redefine_reason="One sees little.").says("something else from now on", "Until 8 June 2026")
    stale.send(redefine, redefine_definition="Watched at night.", redefine_reason="Nights differ.")
    assert stale.status == 412
    assert stale.forms[redefine]["redefine_definition"].strip() == "Watched at night."
    assert [path for path in person(actor("executive")).open(path).forms if path.startswith("/indicators")] == []


def test_a_concern_is_answered_arranged_and_becomes_an_incident(case: Case, person: Any, actor: Any) -> None:
    said = {"provider_id": str(actor("carer").provider_id), "mode": "anonymous", "message": "The bells go unanswered."}
    code = case.intake.http.post("/speak-up", json=said).json()["code"]
    lead = actor("safeguarding_lead")
    (concern,) = case.intake.get("/concerns", lead).json()["items"]
    path = f"/concerns/{concern['concern_id']}"
    answer, review, incident = (f"{path}/{name}" for name in ("answer", "review", "incident"))
    page = person(lead).open("/")
    page.says(f'href="{path}"', "Concern to answer: Anonymous")
    stale = person(actor("nominated_individual")).open(path)
    page.open(path).says("The bells go unanswered.")
    page.send(answer).says("Write an answer")
    page.send(answer, answer_text="Two more people are on tonight.").says("is there for whoever has the code")
    assert f'href="{path}"' not in person(lead).open("/").html
    page.open(path).send(review, review_protection="Nobody outside knows.").says("Choose who reviews it")
    assert page.forms[review]["review_protection"].strip() == "Nobody outside knows."
    reviewer, away = actor("regional_manager", locations=[uuid.uuid4()]), actor("safeguarding_lead")
    page.send(
        review, review_reviewer_id=str(reviewer.id), review_away=str(away.id), review_reason="From another region.",
    ).says("It is kept", "Nobody outside knows.")  # fmt: skip
    assert page.forms[review]["review_excluded"] == [str(away.id)]
    assert person(away).open(path).status == 404
    assert person(reviewer).open(path).status == 200
    stale.send(review, review_reviewer_id=str(reviewer.id), review_protection="None.", review_reason="Why not.")
    assert stale.status == 412
    assert stale.forms[review]["review_protection"].strip() == "None."
    page.send(incident, incident_narrative="Bells ring for long.").says("Choose where it happened", "danger now")
    assert page.forms[incident]["incident_narrative"].strip() == "Bells ring for long."
    page.send(
        incident, incident_location_id=str(case.home), incident_category="staffing", incident_immediate_danger="no",
        incident_occurred_at="2026-06-08T09:00",
    ).says("The incident that was made of it")  # fmt: skip
    made = case.intake.get(path, lead).json()["incident_id"]
    assert person(away).open(f"/incidents/{made}").status == 404
    told = case.intake.http.post("/speak-up/conversation", json={"code": code}).json()
    assert told["protection"] == "Nobody outside knows."


def test_a_known_cause_is_linked_and_the_rest_of_the_text_stays(desk: Desk, home: uuid.UUID, person: Any) -> None:
    desk.open(home)
    desk.approved()
    first = desk.api.get(desk.path, desk.manager).json()
    learned = first["learning"][0]["learning_id"]
    lead = desk.make("quality_lead")
    terms = {
        "title": "Two charts", "why": "It comes again.", "category": first["category"], "band": "high", "lead_id": str(lead.id),
        "questions": ["Why two charts?"], "locations": [str(home)],
    }  # fmt: skip
    made = desk.api.post("/themes", lead, terms)
    assert made.status_code == 201, made.text
    theme = made.json()["theme_id"]
    desk.open(home, band=Band.HIGH)
    draft = {"what_happened": "It was doubled.", "why": "The chart says millilitres."}
    assert desk.api.put(f"{desk.path}/draft", desk.manager, draft, version=1).is_success
    path = f"{desk.path}/known-cause"
    writer = desk.make("regional_manager")
    page = person(writer).open(desk.path)
    page.says(path)
    stale = person(writer).open(path)
    page.open(path).says("Two charts (commissioned")
    page.send("", known_reason="The same chart.", known_learning=[learned]).says("Tick an action or a theme")
    assert (page.forms[""]["known_reason"].strip(), page.forms[""]["known_learning"]) == ("The same chart.", [learned])
    page.send("", known_learning=[learned], known_themes=[theme], go="link").says("It is kept")
    found = desk.api.get(desk.path, desk.manager).json()
    assert found["known_cause"] == {
        "reason": "The same chart.",
        "learning": [learned],
        "actions": [],
        "themes": [theme],
    }
    assert (found["what_happened"], found["why"]) == (draft["what_happened"], draft["why"])
    stale.send("", known_reason="Another one.", known_learning=[learned], known_themes=[theme])
    assert stale.status == 412
    assert stale.forms[""]["known_reason"].strip() == "Another one."
    person(writer).open(desk.path).says("The same chart.", f'href="/themes/{theme}"')
    page.send("", go="remove").says("Nothing is linked now")
    assert desk.api.get(desk.path, desk.manager).json()["known_cause"] is None


def test_the_overview_follows_its_clocks_too(
    person: Any,
    actor: Any,
    service_engine: Callable[[str], Engine],
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That a clock goes on or runs out is no event: the page hears of it all the same, and not of what it shows already."""
    lead = actor("quality_lead")
    book = Book(service_engine("reporting"), lead.provider_id, clock)
    incident = str(book.report(book.location()))
    book.project()
    page = person(lead)
    cookies = "; ".join(f"{name}={value}" for name, value in page.http.cookies.items())
    clock.advance(timedelta(hours=1))
    query = httpx.QueryParams({"since": clock.now().isoformat()})
    asked = {
        "type": "http", "app": page.http.app, "query_string": str(query).encode(), "path": "/overview/live",
        "headers": [(b"cookie", cookies.encode())],
    }  # fmt: skip
    visit = onlooker(Request(asked))
    assert visit is not None
    monkeypatch.setattr(overview, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(overview, "_CLOCKS_SECONDS", 0.05)

    async def heard() -> list[str]:
        told = overview._told(visit)
        found = [await anext(told), await anext(told)]
        clock.advance(timedelta(hours=24))
        return [*found, await anext(told)]

    first, before, after = asyncio.run(asyncio.wait_for(heard(), 60))
    assert first.startswith("retry:")
    assert incident not in before
    assert f'/incidents/{incident}"' in after
    assert "1 hour late" in after


def test_my_work_says_what_is_to_be_triaged(case: Case, person: Any, actor: Any) -> None:
    incident = case.report("choking")
    page = person(actor("registered_manager", locations=[case.home])).open("/")
    page.says(f"/incidents/{incident}/triage", "To triage: Choking or swallowing")


def test_a_form_that_came_back_says_where_its_page_is(case: Case, person: Any, actor: Any) -> None:
    """For the back button: the address that it was sent to may be no page."""
    incident = case.report()
    page = person(actor("quality_lead"))
    for path, action in (
        (f"/incidents/{incident}/protections", f"/incidents/{incident}/protections/protect"),
        (f"/incidents/{incident}/checks", f"/incidents/{incident}/checks/care-plan-check/set-aside"),
        ("/indicators", "/indicators"),
    ):  # fmt: skip
        page.open(path)
        assert "data-address" not in page.html
        page.send(action)
        assert page.status == 422
        page.says(f'data-address="{path}"')


def test_signing_out_says_what_it_ended(person: Any, actor: Any) -> None:
    page = person(actor("carer")).open("/")
    page.forms["/sign-out"]["form_token"] = "of the session before"
    page.send("/sign-out").says("This form is out of date")
    assert page.status == 403
    assert page.open("/").status == 200, "still signed in"
    # Its session came without the means to end it at the issuer.
    answer = page.http.post("/sign-out", data=page.forms["/sign-out"])
    assert "You are signed out" in answer.text
    assert "The sign-in service may still know this device" in answer.text
    assert 'plumbline_session_0="";' in answer.headers["set-cookie"]


def test_an_issuer_that_falls_silent_while_somebody_signs_in_is_named_as_the_cause(person: Any, actor: Any) -> None:
    http = person(actor("carer")).http
    silent = "http://127.0.0.1:1"
    http.app.state.sign_in._endpoints = {
        "authorization_endpoint": f"{silent}/choose",
        "token_endpoint": f"{silent}/token",
    }
    led = http.get("/sign-in", follow_redirects=False)
    state = parse_qs(urlsplit(led.headers["Location"]).query)["state"][0]
    answer = http.get("/signed-in", params={"code": "of-the-issuer", "state": state})
    assert (answer.status_code, "does not answer" in answer.text) == (503, True)
    other = http.get("/signed-in", params={"code": "of-the-issuer", "state": "of another window"})
    assert (other.status_code, "belongs to another window" in other.text) == (400, True)
