"""`plumbline demo`: medication incidents of a dozen services travel the whole chain, through the APIs, as people would."""

import json
import random
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

import httpx
import typer

from deploy.local.lived_in import LivedIn
from deploy.local.people import Person, Refused
from deploy.local.personas import PERSONAS, PROVIDER, Persona
from deploy.local.state import Home, Stack, StackError
from services.runtime.clock import Clock

_REGIONS = ("North", "Midlands", "South")
_SERVICES = (
    "Alder House", "Birch Lodge", "Cedar Court", "Damson Place", "Elm Grove", "Fern Bank",
    "Gorse Hill", "Hazel View", "Ivy Cottage", "Juniper Lodge", "Kestrel Court", "Laurel House",
)  # fmt: skip
_BEDS = 30
_OCCUPANCY = 0.95
_HISTORY_A_MONTH = 24
_HISTORY_MONTHS = 12
_PUBLISHERS = ("directory", "intake", "review", "actions")
_STORIES = (
    "Lunchtime tablets were still in the pot at tea time; the round had been broken off for a visitor.",
    "The signature box was empty; the dose may have been given twice.",
    "The old chart was used after a change of strength.",
    "The lunchtime dose was missed because the round was handed over half done.",
    "Two charts with different rules lay in the same folder.",
    "A new member of staff was alone on the round and left out the eye drops.",
)
_TITLES = (
    ("One chart format in use, the old one withdrawn", "stronger"),
    ("Lunchtime round protected, with cover for the floor", "stronger"),
    ("Competence observed every six months in supervision", "intermediate"),
)


class ScenarioName(StrEnum):
    """What can be shown."""

    MEDICATION_THEME = "medication-theme"
    NEAR_MISS = "near-miss"
    TODAY = "today"


@dataclass
class Place:
    """A service of the demonstration provider and the people at work there."""

    id: uuid.UUID
    name: str
    region: uuid.UUID
    carer: Person
    manager: Person


@dataclass
class Incident:
    """One incident of the demonstration and what is known of it."""

    id: str
    place: Place
    kind: str
    shared: bool = False
    failed: bool = False
    action_ids: list[str] = field(default_factory=list)


@dataclass
class Cast:
    """Everybody and everything that plays."""

    stack: Stack
    places: list[Place]
    quality: Person
    director: Person
    admin: Person
    show: Callable[[str, str], None]


command = typer.Typer(add_completion=False)


@command.command()
def demo(
    as_json: Annotated[bool, typer.Option("--json", help="Print the evidence as JSON.")] = False,
    scenario: Annotated[
        ScenarioName,
        typer.Option(
            help="What to show: the cross-service medication theme, one near miss, or a day with all in flight."
        ),
    ] = ScenarioName.MEDICATION_THEME,
    leave_some: Annotated[
        bool, typer.Option("--leave-some", help="Also report what nobody sees to: overdue and up the line at the end.")
    ] = False,
) -> None:
    """Play incidents from report to assured closure on the running stack and print the evidence.

    Needs a fast clock: 'plumbline up --detach --clock-speed 86400' lets a day pass in a second. 'today' leaves cases
    where they wait for somebody, and wants a slow one.
    """
    home = Home.default()
    stack = Stack.load(home)
    started = time.monotonic()
    with httpx.Client(timeout=30, limits=httpx.Limits(max_connections=40)) as http, _progress(quiet=as_json) as show:
        published = _published(stack, http)
        cast = _cast(stack, http, show)
        _set_up(cast)
        provider = LivedIn(stack, http, lambda: _now(home), show)
        if scenario is ScenarioName.TODAY:
            provider.today()
            return _invite(stack)
        if leave_some:
            provider.left_lying()
        with _Exposure(cast, home):
            if scenario is ScenarioName.MEDICATION_THEME:
                _import_history(cast, _now(home))
                incidents = _play(cast, home, live=6, later=3, left=int(leave_some))
            else:
                incidents = _play(cast, home, live=0, later=1)
        evidence = _evidence(cast, http, incidents, published, started)
    if as_json:
        typer.echo(json.dumps(evidence, indent=1))
    else:
        _print(cast, incidents, evidence)
    broken = [i["id"] for i in evidence["incidents"] if i["final_stage"] != "closed" or not i["audit_verified"]]
    if broken:
        raise StackError(f"not closed or not verified: {', '.join(broken)}. Look at GET /incidents/ID/timeline.")


def _invite(stack: Stack) -> None:
    """Where to look, and as whom."""
    typer.echo(f"\nOpen {stack.url('console')} and sign in as one of these; what is theirs stands under My work:\n")
    for name, why in (
        ("registered_manager", "reports to triage, an action to do, a challenge to answer"),
        ("quality_lead", "a review to approve, more time to decide on, an action to verify"),
        ("safeguarding_lead", "an allegation that only some may see, a concern without a name"),
        ("carer", "briefings to read, what came of own reports"),
    ):
        typer.echo(f"  {PERSONAS[name].name:<16} {name.replace('_', ' '):<20} {why}")


def _now(home: Home) -> datetime:
    return Clock.from_file(home.clock).now()


# Who plays.


def _cast(stack: Stack, http: httpx.Client, show: Callable[[str, str], None]) -> Cast:
    def person(number: int, *roles: str, at: tuple[uuid.UUID, ...] | Literal["*"] = "*") -> Person:
        sub = uuid.UUID(int=PROVIDER.int + 0x2000 + number)
        return Person(stack, Persona(sub=sub, provider_id=PROVIDER, roles=roles, locations=at), http)

    places = []
    for number, name in enumerate(_SERVICES):
        place = uuid.UUID(int=PROVIDER.int + 0x300 + number)
        region = uuid.UUID(int=PROVIDER.int + 0x100 + number % len(_REGIONS))
        places.append(
            Place(
                place, name, region,
                carer=person(100 + number, "carer", at=(place,)),
                manager=person(200 + number, "registered_manager", at=(place,)),
            )
        )  # fmt: skip
    return Cast(stack, places, person(1, "quality_lead"), person(2, "director"), person(3, "platform_admin"), show)


def _set_up(cast: Cast) -> None:
    """Provider, regions, services and people. Safe to repeat: keys are fixed."""
    admin = cast.admin
    cast.show("set-up", "registering the provider, 3 regions, 12 services and their managers")
    _unless_there(
        lambda: admin.post("directory", "/providers", {"name": "Plumb Care (demonstration)"}, key="demo-provider")
    )
    for number, name in enumerate(_REGIONS):
        region = uuid.UUID(int=PROVIDER.int + 0x100 + number)
        body = {"region_id": str(region), "name": name}
        _unless_there(lambda body=body: admin.post("directory", "/regions", body, key=f"demo-region-{body['name']}"))  # type: ignore[misc]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda item: _set_up_place(cast, *item), enumerate(cast.places)))
        list(pool.map(lambda persona: _set_up_persona(cast, persona), filter(lambda p: p.name, PERSONAS.values())))
    cast.quality.until(
        "reporting", "/locations/overview",
        lambda page: len(page["items"]) >= len(cast.places), "the new services to be known everywhere", limit=100,
    )  # fmt: skip


def _set_up_place(cast: Cast, number: int, place: Place) -> None:
    admin = cast.admin
    _unless_there(
        lambda: admin.post(
            "directory", "/locations",
            {
                "location_id": str(place.id), "cqc_location_id": f"1-9000000{number:02d}", "name": place.name,
                "region_id": str(place.region), "beds": _BEDS,
            },
            key=f"demo-location-{number}",
        )
    )  # fmt: skip
    for person, role in ((place.manager, "registered_manager"), (place.carer, "carer")):
        body = {
            "person_id": person.id,
            "display_name": f"{role.replace('_', ' ').capitalize()} of {place.name}",
            "roles": [{"role": role, "location_id": str(place.id)}],
        }
        _unless_there(lambda body=body: admin.post("directory", "/people", body, key=f"demo-{body['person_id']}"))  # type: ignore[misc]


def _set_up_persona(cast: Cast, persona: Persona) -> None:
    """Whom one may sign in as is at work here too."""
    places = [{"location_id": str(location)} for location in persona.locations if location != "*"]
    where = places + [{"region_id": str(region)} for region in persona.regions] or [{}]
    body = {
        "person_id": str(persona.sub),
        "display_name": persona.name,
        "roles": [{"role": role, **at} for role in persona.roles for at in where],
    }
    _unless_there(lambda: cast.admin.post("directory", "/people", body, key=f"demo-{persona.sub}"))


class _Exposure:
    """Records how much care each service gives, each month as it begins, as a quality team does from the census."""

    def __init__(self, cast: Cast, home: Home) -> None:
        self._cast, self._home = cast, home
        self._recorded: set[datetime] = set()
        self._stop = threading.Event()

    def catch_up(self) -> None:
        """Record every month that has begun and is not recorded yet."""
        now = _now(self._home)
        due = [m for m in _months(now - timedelta(days=31 * (_HISTORY_MONTHS + 1)), now) if m not in self._recorded]
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda item: self._record(*item), [(p, m) for m in due for p in self._cast.places]))
        self._recorded.update(due)

    def _record(self, place: Place, month: datetime) -> None:
        following = (month.replace(day=28) + timedelta(days=4)).replace(day=1)
        body = {"unit": "occupied_bed_days", "quantity": f"{_BEDS * _OCCUPANCY * (following - month).days:.2f}"}
        path = f"/locations/{place.id}/exposures/{month:%Y-%m}"
        key = f"demo-exposure-{place.id}-{month:%Y-%m}"
        _unless_there(lambda: self._cast.quality.put("directory", path, body, key=key))

    def __enter__(self) -> None:
        self.catch_up()
        self._thread = threading.Thread(target=self._keep_up, daemon=True)
        self._thread.start()

    def _keep_up(self) -> None:
        while not self._stop.wait(2):
            self.catch_up()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def _months(first: datetime, last: datetime) -> Iterator[datetime]:
    month = first.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while month <= last:
        yield month
        month = (month.replace(day=28) + timedelta(days=4)).replace(day=1)


def _unless_there(write: Callable[[], Any]) -> None:
    try:
        write()
    except Refused as refused:
        if refused.status not in (409, 412, 428):
            raise


def _import_history(cast: Cast, now: datetime) -> None:
    """A year of medication incidents, each closed at its service with a reminder: the rate did not move."""
    chance = random.Random(now.date().toordinal())  # noqa: S311 - a story, not a secret
    rows = []
    for number in range(_HISTORY_A_MONTH * _HISTORY_MONTHS):
        occurred = now - timedelta(days=chance.uniform(2, 364))
        rows.append(
            {
                "source_ref": f"{now:%Y%m%d%H%M}-{number}",
                "location_id": str(chance.choice(cast.places).id),
                "category": "medication",
                "actual_harm": chance.choice(("none", "none", "low")),
                "occurred_at": occurred.isoformat(),
                "reported_at": (occurred + timedelta(hours=6)).isoformat(),
                "closed_at": (occurred + timedelta(days=1)).isoformat(),
                "narrative": "Missed signature on the lunchtime round. Staff reminded.",
            }
        )
    cast.show(
        "history", f"importing {len(rows)} medication incidents of the past year, all closed with 'staff reminded'"
    )
    result = cast.quality.until(
        "intake",
        "/incidents",
        lambda _: _import_batch(cast.quality, rows),
        "the services to be known to intake",
        limit=1,
    )
    if result["rejected"]:
        raise StackError(f"the history was not taken over whole: {next(iter(result['rejected'].values()))}")


def _import_batch(quality: Person, rows: list[dict[str, Any]]) -> Any:
    result = quality.post("intake", "/incident-imports", {"source": "demonstration", "incidents": rows})
    return result if not result["rejected"] else None


# What happens.


def _play(cast: Cast, home: Home, *, live: int, later: int, left: int = 0) -> list[Incident]:
    """`live` incidents now, in as many services; `later` near misses after the changes; all to their closure.

    Beside them `left` more, of which nobody says whether what was done has helped.
    """
    incidents: list[Incident] = []
    with ThreadPoolExecutor(live + later + left) as pool:
        stories = []
        for number in range(left):
            incident = _report(cast, home, cast.places[-1 - number], number, "incident")
            stories.append(pool.submit(_from_triage_to_sharing, cast, incident, number))
        for number in range(live):
            incident = _report(cast, home, cast.places[number * 2 % len(cast.places)], number, "incident")
            incidents.append(incident)
            stories.append(pool.submit(_whole_chain, cast, incident, number))
        for number in range(later):
            stories.append(pool.submit(_near_miss_later, cast, home, number, incidents, wait_for=live))
        for story in stories:
            story.result()
    return incidents


def _report(cast: Cast, home: Home, place: Place, number: int, kind: str) -> Incident:
    body = {
        "location_id": str(place.id),
        "occurred_at": (_now(home) - timedelta(hours=3)).isoformat(),
        "kind": kind,
        "category": "medication",
        "immediate_danger": False,
        "narrative": _STORIES[number % len(_STORIES)],
    }
    receipt = place.carer.post("intake", "/incidents", body)
    incident = Incident(receipt["incident_id"], place, kind)
    cast.show(incident.id, f"{place.name}: reported by a carer")
    if kind == "incident":
        _first_hours(incident)
    return incident


def _first_hours(incident: Incident) -> None:
    """What must be done inside the service at once: clinical advice, and a look at the care plan."""
    for check in incident.place.manager.get("intake", f"/incidents/{incident.id}/checks"):
        answers = _CHECKS.get(check["rule"])
        if answers is not None:
            path = f"/incidents/{incident.id}/checks/{check['rule']}/record"
            done_at = incident.place.manager.get("intake", f"/incidents/{incident.id}")["reported_at"]
            incident.place.manager.post("intake", path, {"done_at": done_at, "answers": answers})


_CHECKS: dict[str, dict[str, Any]] = {
    "clinical-advice": {"adviser": "pharmacist", "advice": "No harm is to be expected; go on with the next dose."},
    "care-plan-check": {"plan_right": True},
}


def _step(cast: Cast, incident: Incident, note: str) -> None:
    cast.show(incident.id, f"{incident.place.name}: {note}")


def _whole_chain(cast: Cast, incident: Incident, number: int) -> None:
    try:
        _from_triage_to_sharing(cast, incident, number)
        _judge(cast, incident)
        _closed(cast, incident)
    except Exception:
        incident.failed = True
        raise


def _from_triage_to_sharing(cast: Cast, incident: Incident, number: int) -> None:
    manager, quality = incident.place.manager, cast.quality
    if number != 3:  # nobody triages this one in time: the rule does, and the chain goes on
        _triage(cast, incident, {"consequence": 3, "likelihood": 1, "reason": "Observed; no further harm is credible."})
    _review(cast, incident, actions=True)
    title, strength = _TITLES[number % len(_TITLES)]
    action = manager.until(
        "intake", f"/incidents/{incident.id}", lambda _: _agree(manager, incident, title, strength), "the action"
    )
    incident.action_ids.append(action["action_id"])
    _approve(cast, incident)
    record = f"/actions/{action['action_id']}"
    manager.until("actions", record, lambda a: a["status"] == "open", "the action to be opened")
    _step(cast, incident, f"action opened: {title.lower()}")
    manager.post(
        "actions", f"{record}/evidence", {"kind": "observation", "description": "Round observed on two shifts."}
    )
    manager.change("actions", record, "completion")
    _step(cast, incident, "done, says the owner")
    if number == 1:
        returned = {
            "outcome": "returned", "method": "spot_check", "draw_id": _look(quality, record, good=6),
            "finding": "Four of ten charts still had the old format.",
        }  # fmt: skip
        quality.change("actions", record, "verification", returned)
        _step(cast, incident, "returned by the verifier: 6 of 10 as agreed")
        evidence = {"kind": "audit_result", "description": "All charts replaced; ten of ten checked."}
        manager.post("actions", f"{record}/evidence", evidence)
        manager.change("actions", record, "completion")
    drawn = _look(quality, record, good=10)
    verified = {"outcome": "passed", "method": "spot_check", "draw_id": drawn, "shifts": ["day", "night"]}
    quality.change("actions", record, "verification", verified)
    _step(cast, incident, "verified by somebody else, 10 of 10")
    _acknowledge(cast, incident)
    incident.shared = True
    _step(cast, incident, "learning shared and understood; waiting for the checkpoint")


def _look(quality: Person, record: str, *, good: int) -> str:
    """Have ten of forty charts drawn by the system and look at them; `good` are as they should be."""
    draw = quality.post("actions", f"{record}/draws", {"frame_size": 40, "size": 10})
    found = [{"position": item["position"], "compliant": n < good} for n, item in enumerate(draw["items"])]
    quality.post("actions", f"{record}/draws/{draw['draw_id']}/findings", {"items": found})
    draw_id: str = draw["draw_id"]
    return draw_id


def _near_miss_later(cast: Cast, home: Home, number: int, incidents: list[Incident], *, wait_for: int) -> None:
    """After the changes somebody reports a near miss: a short huddle, no new action."""
    while sum(i.shared for i in incidents) < wait_for:
        if any(i.failed for i in incidents):
            return
        time.sleep(0.3)
    time.sleep(0.5 + number)
    incident = _report(cast, home, cast.places[(number * 3 + 1) % len(cast.places)], number, "near_miss")
    incidents.append(incident)
    _triage(cast, incident, {"consequence": 2, "likelihood": 2})
    _review(cast, incident, actions=False)
    _approve(cast, incident)
    _closed(cast, incident)


def _triage(cast: Cast, incident: Incident, scores: dict[str, Any]) -> None:
    try:
        incident.place.manager.triage(incident.id, {"actual_harm": "none", **scores})
    except Refused as refused:
        if refused.status != 409 and "triage again" not in str(refused):
            raise
        _step(cast, incident, "the triage clock ran out before the manager came: triaged by rule")
    else:
        _step(cast, incident, "triaged by the manager")
    cast.quality.not_the_same(incident.id, "Another resident, another round; the changes made then are still in use.")


def _review(cast: Cast, incident: Incident, *, actions: bool) -> None:
    manager = incident.place.manager
    review = _review_of(manager, incident, ("open",))
    _answer(incident)
    draft: dict[str, Any] = {
        "what_happened": "A dose of the lunchtime round was missed and not noticed until the next round.",
        "why": "Two chart formats with different rules are in use, and the lunchtime round is interrupted.",
        "factors": [
            {"element": "tools_and_technology", "description": "Two chart formats with different rules."},
            {"element": "organisation", "description": "The newest staff do the lunchtime round alone."},
        ],
        "learning": [
            {"statement": "One chart and a protected round do what reminding people did not.", "answers_factor": 0}
        ],
    }
    if actions:
        draft["briefing"] = {
            "summary": "Doses were missed where two chart formats were in use and rounds were interrupted.",
            "what_changes": "One chart format. Nobody is called away from a medicines round.",
            "question": "Somebody asks you for help during the lunchtime round. What do you do?",
            "options": ["Break off and come back later", "Finish the round; a colleague covers the floor"],
            "correct": 1,
        }
    record = f"/reviews/{review['review_id']}"
    manager.change("review", record, "draft", draft, replace=True)
    for part in manager.get("review", record)["decision"]["take_part"]:
        if part != "registered_manager":  # who writes it takes part by that
            said = {
                "part": part, "described": "Those on duty at lunchtime", "how": "meeting", "outcome": "contributed",
                "said": "The round is broken off when somebody calls, and the two charts are easily mixed up.",
            }  # fmt: skip
            manager.post("review", f"{record}/contributions", said)
    pointed_out = [one["finding"] for one in manager.get("review", f"{record}/findings")]
    reason = "Talked through with those on duty; what came of it stands in the review."
    answers = [{"findings": pointed_out, "reason": reason}] if pointed_out else []
    manager.change("review", record, "submission", {"answers": answers})
    _step(cast, incident, f"review written ({review['method'].replace('_', ' ')})")


def _answer(incident: Incident) -> None:
    """The manager says "I have it" to every call of the ladder, which would go on up and round until somebody does."""
    manager, path = incident.place.manager, f"/incidents/{incident.id}/escalations"
    for call in manager.get("intake", path):
        if call["to_person"] == manager.id and call["acknowledged_at"] is None:
            manager.post("intake", f"{path}/{call['escalation_id']}/acknowledgement")


def _approve(cast: Cast, incident: Incident) -> None:
    review = _review_of(cast.quality, incident, ("submitted",))
    cast.quality.change("review", f"/reviews/{review['review_id']}", "approval")
    _step(cast, incident, "review approved by the quality lead")


def _review_of(person: Person, incident: Incident, statuses: tuple[str, ...]) -> Any:
    return person.until(
        "review", "/reviews",
        lambda page: next((r for r in page["items"] if r["status"] in statuses), None),
        f"a review of {incident.id}", incident_id=incident.id,
    )  # fmt: skip


def _agree(manager: Person, incident: Incident, title: str, strength: str) -> Any:
    try:
        return manager.post(
            "actions", "/actions",
            {
                "incident_id": incident.id, "title": title, "strength": strength,
                "success_criterion": "Ten of ten charts complete on a spot check of three rounds.",
                "what_counts_as_proof": "Charts seen and a round observed by somebody from another service.",
                "owner_id": manager.id, "owner_role": "registered_manager", "due_working_days": 5,
            },
            key=f"demo-action-{incident.id}",
        )  # fmt: skip
    except Refused as refused:
        if refused.status == 404:  # actions hears of the incident a moment later
            return None
        raise


def _acknowledge(cast: Cast, incident: Incident) -> None:
    """A carer at each place of the briefing's audience reads it and answers; the first answers wrongly at first."""
    quality = cast.quality
    briefing = quality.until(
        "review", "/briefings",
        lambda page: next((b for b in page["items"] if b["incident_id"] == incident.id), None),
        f"the briefing of {incident.id}", limit=200,
    )  # fmt: skip
    reach = quality.get("review", f"/briefings/{briefing['briefing_id']}/reach", limit=200)
    audience = {row["location_id"] for row in reach["locations"]["items"]} if "locations" in reach else {
        row["location_id"] for row in reach["items"]
    }  # fmt: skip
    for place in cast.places:
        if str(place.id) in audience:
            path = f"/briefings/{briefing['briefing_id']}/acknowledgements"
            for answer in (0, 1) if place is incident.place else (1,):
                place.carer.post("review", path, {"location_id": str(place.id), "answer": answer})


def _judge(cast: Cast, incident: Incident) -> None:
    quality = cast.quality

    def measured(page: Any) -> Any:
        _answer(incident)
        return next((c for c in page["items"] if c["status"] == "measured"), None)

    checkpoint = quality.until(
        "actions", "/checkpoints", measured,
        f"the checkpoint of {incident.id}", incident_id=incident.id,
    )  # fmt: skip
    body: dict[str, Any] = {"verdict": checkpoint["proposed"]}
    if checkpoint["proposed"] != "improved_and_sustained":
        # One checkpoint is not the whole story; the person decides and says why.
        body = {"verdict": "improved_and_sustained", "reason": "Spot checks in all services agree with the measure."}
    quality.change("actions", f"/checkpoints/{checkpoint['checkpoint_id']}", "decision", body)
    _step(cast, incident, f"impact judged; the measure proposed {checkpoint['proposed'].replace('_', ' ')}")


def _closed(cast: Cast, incident: Incident) -> None:
    """Where the demonstration was played before, its closed cases are alike: it is asked whether one of them came back."""
    record = f"/incidents/{incident.id}"
    for asked in cast.quality.get("intake", f"{record}/recurrences"):
        if asked["incident_id"] == incident.id and asked["answer"] is None:
            body = {
                "answer": "not_the_same",
                "reason": "Another round, with other people; the change had begun elsewhere.",
            }
            cast.quality.change("intake", f"/recurrences/{asked['recurrence_id']}", "answer", body)
            _step(cast, incident, "not the closed case again, decides the quality lead")
    cast.quality.until("intake", record, lambda i: i["stage"] == "closed", "the closure")
    _step(cast, incident, "closed")


# What it shows.


def _evidence(
    cast: Cast, http: httpx.Client, incidents: list[Incident], published: float, started: float
) -> dict[str, Any]:
    cast.show("evidence", "collecting stage histories, audit chains, counts")
    quality = cast.quality
    shown, actions, impact = [], [], {}
    for incident in incidents:
        timeline = quality.until(
            "reporting", f"/incidents/{incident.id}/timeline",
            lambda t: t if t["incident"]["stage"] == "closed" else None, "reporting to catch up",
        )  # fmt: skip
        shown.append(
            {
                "id": incident.id,
                "service": incident.place.name,
                "kind": incident.kind,
                "final_stage": timeline["incident"]["stage"],
                "stages": [
                    {"stage": s["stage"], "at": s["at"], "by": s["by_role"], "actor": s["by"]}
                    for s in timeline["stages"]
                ],
                "history_events": _history_events(cast.stack, incident.id),
                "audit_verified": _audit_verified(quality, incident),
            }
        )
        for action_id in incident.action_ids:
            action = quality.get("actions", f"/actions/{action_id}")
            actions.append(
                {
                    "id": action_id, "incident_id": incident.id, "title": action["title"],
                    "strength": action["strength"], "status": action["status"],
                    "verifications": [
                        {k: v[k] for k in ("outcome", "method", "sample_size", "compliant")}
                        for v in action["verifications"]
                    ],
                }
            )  # fmt: skip
        page = quality.get("actions", "/checkpoints", incident_id=incident.id)
        for checkpoint in page["items"]:
            impact[incident.id] = {
                k: checkpoint[k]
                for k in (
                    "events", "exposure", "baseline_events", "baseline_exposure", "ratio", "ratio_low", "ratio_high",
                    "proposed", "verdict", "rule",
                )
                if k in checkpoint
            }  # fmt: skip
    return {
        "incidents": shown,
        "actions": actions,
        "impact": _impact(impact),
        "events_published": int(_published(cast.stack, http) - published),
        "duration_s": round(time.monotonic() - started, 1),
    }


def _impact(by_incident: dict[str, Any]) -> dict[str, Any]:
    """Before and after, as rates per 1,000 occupied bed days; all checkpoints look at the same provider-wide measure."""
    if not by_incident:
        return {}
    last = max(by_incident.values(), key=lambda c: float(c["exposure"] or 0))

    def rate(events: Any, exposure: Any) -> float | None:
        return round(1000 * events / float(exposure), 2) if exposure and float(exposure) else None

    return {
        "measure": "medication incidents per 1,000 occupied bed days, provider-wide",
        "before": rate(last["baseline_events"], last["baseline_exposure"]),
        "after": rate(last["events"], last["exposure"]),
        "checkpoints": by_incident,
    }


def _audit_verified(quality: Person, incident: Incident) -> bool:
    from services.runtime.audit import verify

    # Each hears of the incident in its own time; a chain may be of nothing.
    chains = [
        quality.until(service, f"/incidents/{incident.id}/audit", lambda chain: [chain], f"{service} to know of it")[0]
        for service in ("intake", "review", "actions")
    ]
    return bool(chains[0]) and all(verify(chain) is None for chain in chains)


def _history_events(stack: Stack, incident_id: str) -> int:
    """All events of all runs of the incident's workflow, as Temporal counts them."""
    import asyncio

    from temporalio.client import Client

    async def count() -> int:
        client = await Client.connect(stack.addresses()["temporal"].removeprefix("http://"))
        found = client.list_workflows(f"WorkflowId = 'incident-{incident_id}'")
        return sum([run.history_length async for run in found])

    return asyncio.run(count())


def _published(stack: Stack, http: httpx.Client) -> float:
    total = 0.0
    for service in _PUBLISHERS:
        for line in http.get(f"{stack.url(service)}/metrics").text.splitlines():
            if line.startswith("plumbline_relay_published_total"):
                total += float(line.rsplit(" ", 1)[1])
    return total


def _print(cast: Cast, incidents: list[Incident], evidence: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=max(Console().width, 110))
    table = Table(title="What happened", show_lines=True)
    for column in ("incident", "service", "stages: when and by whom", "history events", "audit chain"):
        table.add_column(column, no_wrap=True)
    for shown in evidence["incidents"]:
        stages = "\n".join(
            f"{s['stage']:<16} {datetime.fromisoformat(s['at']).astimezone(UTC):%d %b %Y %H:%M}  {s['by']}"
            for s in shown["stages"]
        )
        table.add_row(
            shown["id"][-12:], shown["service"], stages, str(shown["history_events"]),
            "verified" if shown["audit_verified"] else "BROKEN",
        )  # fmt: skip
    console.print(table)
    if evidence["actions"]:
        table = Table(title="Actions: done is what the owner says, verified is what somebody else saw")
        for column in ("action", "strength", "status", "verifications"):
            table.add_column(column)
        for action in evidence["actions"]:
            looks = ", ".join(f"{v['outcome']} {v['compliant']}/{v['sample_size']}" for v in action["verifications"])
            table.add_row(action["title"], action["strength"], action["status"], looks)
        console.print(table)
    if evidence["impact"]:
        impact = evidence["impact"]
        console.print(f"Impact: {impact['measure']}: {impact['before']} before, {impact['after']} after.")
    console.print(f"{evidence['events_published']} events published; {evidence['duration_s']} s.")
    console.print(f"Read more: {cast.stack.url('reporting')}/docs, with a token from 'plumbline token quality_lead'.")


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str, str], None]]:
    """Progress on standard error: one live line for each incident on a terminal, else a line for each step."""
    if quiet or not sys.stderr.isatty():
        started = time.monotonic()

        def line(_: str, text: str) -> None:
            typer.echo(f"{time.monotonic() - started:5.1f} s  {text}", err=True)

        yield line
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    lines: dict[str, str] = {}
    with Live(Text(""), console=Console(stderr=True), refresh_per_second=8) as live:

        def show(who: str, text: str) -> None:
            lines[who] = text
            live.update(Text("\n".join(lines.values())))

        yield show
