"""Plays a scenario on the running stack, through the HTTP APIs, as its people; nothing is looked up anywhere else."""

import json
import random
import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from enum import Enum
from typing import Any, get_args, get_origin

import httpx
import yaml
from pydantic import BaseModel

from deploy.local.clock_file import ClockFile
from deploy.local.personas import Persona
from deploy.local.scenarios import moments, patterns
from deploy.local.scenarios.check import ANYBODY, REFERENCE, Checked
from deploy.local.scenarios.format import (
    CONDITIONS,
    ON_FIELD,
    Entry,
    Expect,
    FindStep,
    PersonEntry,
    Scenario,
    Start,
    Wait,
)
from deploy.local.scenarios.looks import Look, look
from deploy.local.scenarios.player import Answer, Player
from deploy.local.scenarios.verbs import (
    AgreeAction,
    AnswersFindings,
    Attach,
    Call,
    Challenge,
    ChooseMeasure,
    Find,
    RecordMonths,
    RecordSite,
    Refused,
    Report,
    Step,
    Triage,
    WriteReview,
)
from deploy.local.scenarios.words import Names
from deploy.local.state import Stack, StackError
from services.intake.safeguarding.policy import SHIPPED as SAFEGUARDING
from services.runtime.calendar import LONDON, is_working_day
from services.runtime.clock import Clock

_TOO_FAST_TO_TELL = 10_000
"""From this speed on a time in hours says nothing of the machine: half a day passes while an event travels."""
_AGAIN_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 1.0
_STEP_FIELDS = frozenset(Step.model_fields) | {"of", "action", "check", "obligation", "escalation"}


@dataclass
class Outcome:
    """One expectation: held or not, and the record that shows it."""

    n: int
    what: str
    held: bool
    seen: Any
    record: str
    line: int
    at: str | None = None
    why: str | None = None
    source: str | None = None


@dataclass
class Played:
    """What became of a scenario."""

    scenario: str
    title: str
    held: bool
    provider_id: str
    speed: float
    expectations: list[Outcome]
    duration_s: float

    def to_json(self) -> dict[str, Any]:
        """For other programs."""
        return asdict(self)


class _NotThere(Exception):
    """What a step needs is not there; the message says what."""


@dataclass
class _Result:
    id: Any
    body: Any
    at: datetime
    path: str = ""


@dataclass
class _Stage:
    """Everybody and everything that plays."""

    stack: Stack
    scenario: Scenario
    http: httpx.Client
    clock: Clock
    speed: float
    patience: float
    start: datetime = field(init=False)
    provider_id: uuid.UUID = field(default_factory=uuid.uuid4)
    results: dict[str, _Result] = field(default_factory=dict)
    reports: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        provider = self.scenario.provider
        self.regions = {name: uuid.uuid4() for name in provider.regions}
        self.places = {name: uuid.uuid4() for name in provider.places}
        self.residents = {name: uuid.uuid4() for name in self.scenario.residents}
        self.people = {name: self._player(name) for name in self.scenario.people}
        everywhere = ("platform_admin", "quality_lead")
        self.runner = Player(self.stack, self.http, Persona(uuid.uuid4(), self.provider_id, everywhere, "*"))
        self.start = self.clock.now()

    def _player(self, name: str) -> Player:
        entry = self.scenario.people[name]
        at = _listed(entry.at)
        regions = (self.regions[entry.region],) if entry.region else ()
        locations = tuple(self.places[place] for place in at)
        roles = tuple(str(role) for role in self.roles(name))
        persona = Persona(uuid.uuid4(), self.provider_id, roles, locations if at or regions else "*", regions)
        return Player(self.stack, self.http, persona)

    def roles(self, name: str) -> list[Any]:
        entry = self.scenario.people[name]
        return entry.roles or ([entry.role] if entry.role else [])

    def player(self, name: str | None) -> Player:
        if name == ANYBODY:
            return Player(self.stack, self.http, None)
        return self.people[name] if name else self.runner

    def person_id(self, name: str) -> str:
        persona = self.people[name].persona
        assert persona is not None
        return str(persona.sub)

    def moment(self, text: str) -> datetime:
        said = moments.moment(text)
        if said.name == moments.START:
            return self.start + said.offset
        if said.name not in self.results:
            raise _NotThere(f"'{said.name}' did not happen")
        return self.results[said.name].at + said.offset

    def sleep_until(self, at: datetime) -> None:
        while (left := (at - self.clock.now()).total_seconds()) > 0:
            time.sleep(min(left / self.speed, 1.0))

    # Names become ids.

    def text(self, text: str) -> Any:
        """A text with its ${...} filled in; a text that is one reference alone becomes the value itself."""
        whole = re.fullmatch(r"\$\{([^}]*)\}", text)
        if whole:
            return self.reference(whole[1])
        return REFERENCE.sub(lambda match: str(self.reference(match[1])), text)

    def reference(self, text: str) -> Any:
        name, _, path = text.strip().partition(".")
        for known in (self.people, self.places, self.regions, self.residents):
            if name in known and not path:
                return self.person_id(name) if known is self.people else str(known[name])
        if name == "provider":
            return str(self.provider_id)
        if name in self.results:
            result = self.results[name]
            if path == "at":
                return result.at.isoformat()
            if not path:
                return result.id
            found = _at(result.body, path)
            if not found:
                raise _NotThere(f"'{name}' has no '{path}'")
            return found[0]
        try:
            return self.moment(text).isoformat()
        except ValueError:
            raise _NotThere(f"'{text}' is not there") from None

    def fill(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        return [self.fill(item) for item in value] if isinstance(value, list) else value

    def incident(self, of: str | None) -> str:
        name = of or (self.reports[0] if self.reports else None)
        if name is None or name not in self.results:
            raise _NotThere(f"the incident '{of}' was not reported" if of else "no incident was reported")
        return str(self.results[name].id)


def _work(person: PersonEntry) -> dict[str, str]:
    said = {"shift": person.shift, "employment": person.employment}
    return {name: value.value for name, value in said.items() if value is not None}


def _listed(value: list[str] | str | None) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else value


# Everybody and everything is registered.


def _register(stage: _Stage) -> None:
    """Provider, regions, places, people and rota through the directory; waits until a report would be taken."""
    runner, scenario = stage.runner, stage.scenario
    _accepted(runner.send("POST", "directory", "/providers", {"name": scenario.provider.name}))
    for name, region in stage.regions.items():
        _accepted(runner.send("POST", "directory", "/regions", {"region_id": str(region), "name": name}))
    for name, place in scenario.provider.places.items():
        body = {
            "location_id": str(stage.places[name]), "name": name, "beds": place.beds,
            "cqc_location_id": f"1-{random.SystemRandom().randrange(10**9, 10**10)}",
            **({"region_id": str(stage.regions[place.region])} if place.region else {}),
            **({"local_authority": place.local_authority} if place.local_authority else {}),
        }  # fmt: skip
        _accepted(runner.send("POST", "directory", "/locations", body))
        for contract in place.contracts:
            body = {
                **contract.model_dump(mode="json"),
                "starts_on": str(stage.clock.now().date() - timedelta(days=365)),
            }
            path = f"/locations/{stage.places[name]}/contracts/{uuid.uuid4()}"
            _accepted(runner.send("PUT", "directory", path, body))
    if scenario.provider.authorities:
        _publish_procedures(stage)
    for name, person in _managers_first(scenario.people):
        if person.listed:
            where: list[dict[str, str]] = [{"location_id": str(stage.places[place])} for place in _listed(person.at)]
            where += [{"region_id": str(stage.regions[person.region])}] if person.region else []
            roles = [{"role": str(role), **place} for role in stage.roles(name) for place in where or [{}]]
            body = {"person_id": stage.person_id(name), "display_name": name, "roles": roles, **_work(person)}
            if person.answers_to:
                body["manager_id"] = stage.person_id(person.answers_to)
            _accepted(runner.send("POST", "directory", "/people", body))
    for turn in scenario.on_call:
        body = {
            "person_id": stage.person_id(turn.who), "role": str(turn.role or stage.roles(turn.who)[0]),
            "starts_at": stage.moment(turn.starts).isoformat(), "ends_at": stage.moment(turn.ends).isoformat(),
            **({"location_id": str(stage.places[turn.at])} if turn.at else {}),
            **({"region_id": str(stage.regions[turn.region])} if turn.region else {}),
        }  # fmt: skip
        _accepted(runner.send("PUT", "directory", f"/rota/{uuid.uuid4()}", body))
    for place_id in stage.places.values():
        _wait_until_known(stage, str(place_id))


def _managers_first(people: dict[str, PersonEntry]) -> list[tuple[str, PersonEntry]]:
    """Everybody after whom they answer to: directory wants to know the manager first."""

    def above(name: str) -> int:
        count, seen = 0, people[name]
        while seen.answers_to is not None and count < len(people):
            count, seen = count + 1, people[seen.answers_to]
        return count

    return sorted(people.items(), key=lambda one: above(one[0]))


def _publish_procedures(stage: _Stage) -> None:
    """The shipped safeguarding policy with these authorities, as the provider's own: one drafts it, another publishes it."""
    shipped = yaml.safe_load(SAFEGUARDING.read_text())
    authorities = {
        name: one.model_dump(exclude_unset=True) for name, one in stage.scenario.provider.authorities.items()
    }
    source = yaml.safe_dump({**shipped, "version": "scenario-1", "authorities": authorities})
    second = Player(stage.stack, stage.http, Persona(uuid.uuid4(), stage.provider_id, ("director",), "*"))
    drafted = _accepted(stage.runner.send("POST", "intake", "/policies", {"name": "safeguarding", "source": source}))
    path = f"/policies/{drafted.body['policy_id']}"
    _accepted(stage.runner.send("POST", "intake", f"{path}/proposal", version='"1"'))
    _accepted(second.send("POST", "intake", f"{path}/publication", version='"2"'))


def _first(now: datetime, said: Start | None) -> datetime:
    """When the play begins: the next time of day, in England, that the scenario asks for."""
    if said is None:
        return now
    local, clock = now.astimezone(LONDON), time_of_day.fromisoformat(said.at)
    for days in range(15):
        start = datetime.combine(local.date() + timedelta(days=days), clock, LONDON)
        kinds = ("any", "working_day" if is_working_day(start.date()) else "weekend")
        if start >= local and said.day in kinds:
            return start.astimezone(UTC)
    return now


def _accepted(answer: Answer) -> Answer:
    if answer.refused:
        raise StackError(f"the scenario's people and places could not be registered: {answer.path} {answer.problem()}")
    return answer


def _wait_until_known(stage: _Stage, place_id: str) -> None:
    """Ask with an impossible date: refused for the place until intake knows it, then for the date. Nothing is kept."""
    body = {
        "location_id": place_id, "occurred_at": "2199-01-01T00:00:00Z", "category": "other",
        "immediate_danger": False, "narrative": "Is this place known yet?",
    }  # fmt: skip
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        answer = stage.runner.send("POST", "intake", "/incidents", body)
        errors = answer.body.get("errors") or [] if isinstance(answer.body, dict) else []
        if any(error["field"] == "occurred_at" for error in errors):
            return
        time.sleep(_AGAIN_SECONDS)
    raise StackError("intake did not hear of the scenario's places within a minute: see 'plumbline status'")


# The play.


def play(stack: Stack, checked: Checked, show: Callable[[Outcome | str], None], patience: float) -> Played:
    """Play a checked scenario. Raises StackError when the stack cannot be used; all else is in the outcomes.

    `patience`: real seconds that the machine is given for what takes no time on the clock: events travel, a process
    reacts.
    """
    assert checked.scenario is not None
    clock, speed = Clock.from_file(stack.home.clock), ClockFile(stack.home).speed
    if speed <= 0:
        raise StackError("the stack's clock stands still: start it with 'plumbline up'")
    began = time.monotonic()
    with httpx.Client(timeout=30, limits=httpx.Limits(max_connections=10)) as http:
        stage = _Stage(stack, checked.scenario, http, clock, speed, patience)
        _register(stage)
        stage.start = _first(clock.now(), checked.scenario.starts)
        stage.sleep_until(stage.start)
        outcomes: list[Outcome] = []
        for n, entry in enumerate(checked.entries):
            for outcome in _play(stage, entry, checked.line_of(n)):
                outcome.n = len(outcomes) + 1
                outcomes.append(outcome)
                show(outcome)
    return Played(
        scenario=checked.scenario.id,
        title=checked.scenario.title,
        held=all(outcome.held for outcome in outcomes),
        provider_id=str(stage.provider_id),
        speed=speed,
        expectations=outcomes,
        duration_s=round(time.monotonic() - began, 1),
    )


def _play(stage: _Stage, entry: Entry, line: int) -> Iterator[Outcome]:
    try:
        if isinstance(entry, Wait):
            stage.sleep_until(
                stage.clock.now() + moments.duration(entry.wait) if entry.wait else stage.moment(entry.until or "T0")
            )
            if entry.look_for_patterns:
                patterns.look(stage.stack)
            _name(stage, entry.id, _Result(None, None, stage.moment(entry.until) if entry.until else stage.clock.now()))
            return
        if entry.at:
            stage.sleep_until(stage.moment(entry.at))
        outcome: Outcome | None
        if isinstance(entry, Expect):
            outcome = _expect(stage, entry)
        elif isinstance(entry, FindStep):
            outcome = _find_step(stage, entry)
        else:
            outcome = _do(stage, entry)
    except _NotThere as missing:
        what = entry.expect if isinstance(entry, Expect) else _what(entry)
        outcome = Outcome(0, what, held=False, seen=f"not played: {missing}", record="", line=line)
    if outcome is None:
        return
    outcome.line, outcome.at = line, stage.clock.now().isoformat(timespec="seconds")
    if not isinstance(entry, FindStep):
        outcome.why, outcome.source = getattr(entry, "why", None), getattr(entry, "source", None)
    yield outcome


def _what(entry: Entry) -> str:
    if isinstance(entry, Step):
        return entry.what or f"{entry.as_} can {entry.do.replace('_', ' ')}"
    return f"there is {entry.id}" if isinstance(entry, FindStep) else "the time comes"


def _name(stage: _Stage, name: str | None, result: _Result) -> None:
    if name:
        stage.results[name] = result


# Somebody does something.


def _do(stage: _Stage, step: Step) -> Outcome | None:
    """A step that works as a scenario takes for granted is no expectation; one that does not, or must not, is."""
    player = stage.player(step.as_)
    answer = _request(stage, player, step)
    if step.refused is not None:
        held, seen = _is_refused(step.refused, answer)
        return Outcome(0, step.what or f"{step.as_} may not {step.do.replace('_', ' ')}", held, seen, answer.path, 0)
    if answer.refused:
        return Outcome(0, _what(step), held=False, seen=answer.problem(), record=answer.path, line=0)
    key = step.answer if isinstance(step, Call) else step.api.answer
    found = (_at(answer.body, key) if key else []) or [answer.body.get("id") if isinstance(answer.body, dict) else None]
    result = _Result(found[0], answer.body, stage.clock.now(), answer.path)
    name = step.id
    if isinstance(step, Report):
        name = step.id or f"report {len(stage.reports) + 1}"
        stage.reports.append(name)
    _name(stage, name, result)
    return Outcome(0, step.what, True, f"done ({answer.status})", answer.path, 0) if step.what else None


def _is_refused(wanted: Refused, answer: Answer) -> tuple[bool, str]:
    said = json.dumps(answer.body) if answer.refused else ""
    held = answer.status == wanted.status
    if wanted.names is not None:
        errors = answer.body.get("errors") or [] if isinstance(answer.body, dict) else []
        held = held and any(error["field"] == wanted.names for error in errors)
    if wanted.says is not None:
        held = held and wanted.says.casefold() in said.casefold()
    return held, answer.problem() if answer.refused else f"not refused: answered {answer.status}"


def _request(stage: _Stage, player: Player, step: Step) -> Answer:
    """The call of a verb. What is only briefly not so (a newer version, an event on its way) is tried again."""
    deadline = time.monotonic() + stage.patience
    while True:
        answer = _call(stage, player, step) if isinstance(step, Call) else _verb(stage, player, step)
        again = answer.status == 412 or (answer.status == 404 and not isinstance(step, Call) and step.api.patient)
        if not again or step.refused is not None or time.monotonic() > deadline:
            return answer
        time.sleep(_AGAIN_SECONDS)


def _call(stage: _Stage, player: Player, step: Call) -> Answer:
    path = str(stage.text(step.path))
    version = player.get(step.service, str(stage.text(step.version_of))).version if step.version_of else None
    if step.method == "GET":
        return player.get(step.service, path)
    return player.send(step.method, step.service, path, stage.fill(step.body), version=version)


def _verb(stage: _Stage, player: Player, step: Step) -> Answer:
    api, words = step.api, _paths(stage, step)
    if api.find is not None:
        words["found"] = words.get("found") or _look_up(stage, player, step, api.find, words)
    version = None
    if api.version_of:
        record = player.get(api.service, api.version_of.format(**words))
        if record.refused and record.status != 404:
            return record
        version = record.version or (None if api.new else '"1"')
    path = api.path.format(**words)
    if api.body == "file":
        assert isinstance(step, Attach)
        name, content, media_type = _file(step)
        return player.send(api.method, api.service, path, files={"file": (name, content, media_type)})
    body = None if api.body == "none" else _body(stage, player, step, words)
    answer = player.send(api.method, api.service, path, body, version=version)
    if isinstance(step, WriteReview) and not answer.refused:
        return _answer_form(stage, player, step, words["found"]) or answer
    return answer


def _answer_form(stage: _Stage, player: Player, step: WriteReview, review: str) -> Answer | None:
    """Answer the method's questions one by one, each at its newest version. The first refusal, if there is one."""
    form = player.get("review", f"/reviews/{review}/method")
    stages = form.body.get("stages", []) if isinstance(form.body, dict) else []
    known = {one["id"]: one["answer"] for part in stages for one in part["questions"]}
    given = [(name, {"answer": stage.text(said)}) for name, said in step.answers.items()]
    given += [(name, {"not_applicable_reason": stage.text(why)}) for name, why in step.not_applicable.items()]
    for name, body in given:
        version = f'"{known[name]["version"]}"' if known.get(name) else None
        answer = player.send("PUT", "review", f"/reviews/{review}/answers/{name}", body, version=version)
        if answer.refused:
            return answer
    return None


def _paths(stage: _Stage, step: Step) -> dict[str, str]:
    words: dict[str, str] = {}
    if "of" in type(step).model_fields:
        words["of"] = stage.incident(getattr(step, "of", None))
    names = (
        ("action", "action"), ("check", "check"), ("indicator", "indicator"), ("escalation", "found"),
        ("incident", "incident"), ("sample", "sample"), ("request", "request"), ("closed", "closed"),
    )  # fmt: skip
    for name, word in names:
        said = getattr(step, name, None)
        if said is not None:
            words[word] = str(stage.reference(said))
    if isinstance(step, RecordSite):
        words["place"] = str(stage.places[step.place])
    return words


def _look_up(stage: _Stage, player: Player, step: Step, find: Find, words: dict[str, str]) -> str:
    """The record that a verb is about, as soon as it is there; what its own words say of it must fit."""
    said = {name: getattr(step, name) for name in type(step).model_fields}
    wanted = {}
    for name, value in find.where.items():
        if isinstance(value, str) and value.startswith("{"):
            word = value.strip("{}")
            value = words.get(word) or said.get(word)
            if value is None:
                continue
        wanted[name] = value
    deadline = time.monotonic() + stage.patience
    while True:
        answer = player.get(step.api.service, find.path.format(**words))
        rows = [row for row in _rows(answer.body, find.rows) if _fits(row, wanted)] if not answer.refused else []
        if step.do == "acknowledge_escalation":
            mine = _for_me(rows, player)
            rows = mine or (rows if step.refused is not None else [])
        if rows:
            return str(rows[-1][find.key])
        if step.refused is not None and answer.refused:
            return str(uuid.uuid4())
        if time.monotonic() > deadline:
            seen = answer.problem() if answer.refused else f"{len(_rows(answer.body, find.rows))} rows, none that fits"
            raise _NotThere(f"there is nothing to {step.do.replace('_', ' ')}: {answer.path} {seen}")
        time.sleep(_AGAIN_SECONDS)


def _for_me(rows: list[Any], player: Player) -> list[Any]:
    persona = player.persona
    if persona is None:
        return []
    named = [row for row in rows if row.get("to_person") == str(persona.sub)]
    return named or [row for row in rows if row.get("to_role") in persona.roles]


def _body(stage: _Stage, player: Player, step: Step, words: dict[str, str]) -> Any:
    """The fields of a verb under the names of the API, with names of people and places as ids and moments as times."""
    body: dict[str, Any] = {}
    for name, info in type(step).model_fields.items():
        key, value = info.serialization_alias or name, getattr(step, name)
        if name == "of" and info.serialization_alias:
            body[key] = stage.incident(value)
        elif name in _STEP_FIELDS or info.exclude:
            continue
        elif value is None and (Names("moment") in info.metadata or _names(info.annotation) == "moment"):
            if name in _AT_THE_STEP:
                body[key] = stage.clock.now().isoformat()
        elif value is not None and value != []:
            body[key] = _resolved(stage, info.annotation, info.metadata, value)
    if step.api.body == "speak_up":
        body["provider_id"] = str(stage.provider_id)
    if step.api.found_as:
        body[step.api.found_as] = words["found"]
    if isinstance(step, AgreeAction | Challenge):
        body.setdefault("owner_role", str(stage.roles(step.owner)[0]))
    if isinstance(step, Triage) and step.earlier_seen == "all":
        earlier = player.get("intake", f"/incidents/{words['of']}/earlier")
        body["earlier_seen"] = earlier.body["total"] if not earlier.refused else 0
    if isinstance(step, RecordMonths):
        return {"values": _months(stage.clock.now().date(), step)}
    if isinstance(step, ChooseMeasure) and step.baseline_months is not None:
        today = stage.clock.now().astimezone(LONDON).date()
        body["baseline_first"] = (today - timedelta(days=30 * step.baseline_months)).isoformat()
        body["baseline_until"] = today.isoformat()
    if isinstance(step, AnswersFindings) and step.answer_rest is not None:
        answered = {name for one in step.answers for name in one.findings}
        findings = player.get("review", f"/reviews/{words['found']}/findings")
        rest = [row["finding"] for row in _rows(findings.body, "") if row["finding"] not in answered]
        if rest:
            body["answers"] = [*body.get("answers", []), {"findings": rest, "reason": stage.text(step.answer_rest)}]
    if "held_on" in body:
        body["held_on"] = body["held_on"][:10]
    return body["facts"] if step.api.body == "facts" else body


def _months(today: date, step: RecordMonths) -> list[dict[str, Any]]:
    """The months of a series as the API takes them; those without a value are left out."""
    last = today.year * 12 + today.month - 1 - step.ending
    first = last - len(step.months) + 1
    return [
        {"month": f"{month // 12}-{month % 12 + 1:02d}-01"}
        | ({"numerator": value[0], "denominator": value[1]} if isinstance(value, tuple) else {"value": value})
        for month, value in enumerate(step.months, first)
        if value is not None
    ]


_AT_THE_STEP = frozenset(
    {"happened", "submitted", "received", "done", "referred", "decided", "concluded", "asked", "answered", "held"}
)


def _names(annotation: Any) -> str | None:
    """What a text with this annotation stands for."""
    for argument in get_args(annotation):
        if isinstance(argument, Names):
            return argument.kind
        if get_origin(argument) is not list and (found := _names(argument)):
            return found
    return None


def _resolved(stage: _Stage, annotation: Any, metadata: list[Any], value: Any) -> Any:
    """A value as the API takes it; nested parts without what was left out."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return {
            fields[name].serialization_alias or name: _resolved(
                stage, fields[name].annotation, fields[name].metadata, getattr(value, name)
            )
            for name in fields
            if name in value.model_fields_set
        }
    if isinstance(value, list):
        inner = next((get_args(a)[0] for a in (annotation, *get_args(annotation)) if get_origin(a) is list), None)
        return [_resolved(stage, inner, [], item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if not isinstance(value, str):
        return stage.fill(value)
    marks = [mark.kind for mark in metadata if isinstance(mark, Names)]
    match marks[0] if marks else _names(annotation):
        case "person":
            return stage.person_id(value)
        case "place":
            return str(stage.places[value])
        case "region":
            return str(stage.regions[value])
        case "resident":
            return str(stage.residents[value])
        case "result":
            return str(stage.reference(value))
        case "moment":
            return stage.moment(value).isoformat()
    return stage.text(value)


_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360f8cfc0f01f0005000201e2b6a0250000000049454e44ae426082"
)
_PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


def _file(step: Attach) -> tuple[str, bytes, str]:
    content, media_type = {
        "png": (_PNG, "image/png"), "pdf": (_PDF, "application/pdf"),
        "text": (b"This is only text.", "text/plain"), "empty": (b"", "image/png"),
    }[step.content]  # fmt: skip
    return step.name, content, step.says_it_is or media_type


# Somebody looks.


def _find_step(stage: _Stage, step: FindStep) -> Outcome | None:
    found = look(step.find)
    assert found is not None
    player = stage.player(step.as_)
    path = _path(stage, player, found, step.of)
    wanted = stage.fill(step.pick)
    deadline, pauses = _deadline(stage, step.within), _pauses()
    while True:
        answer = player.get(found.service, path)
        rows = [row for row in _rows(answer.body, found.rows) if _fits(row, wanted)] if not answer.refused else []
        if rows:
            row = rows[-1]
            _name(stage, step.id, _Result(row.get(_key(found, row, step.key)), row, stage.clock.now(), answer.path))
            return None
        if time.monotonic() > deadline:
            seen = answer.problem() if answer.refused else "no such row"
            return Outcome(0, f"there is {step.id}", held=False, seen=seen, record=answer.path, line=0)
        time.sleep(next(pauses))


def _pauses() -> Iterator[float]:
    """Seconds between one look and the next, ever longer: several cases are played beside one another."""
    pause = _AGAIN_SECONDS
    while True:
        yield pause
        pause = min(pause * 1.2, _LONGEST_PAUSE_SECONDS)


def _key(found: Look, row: dict[str, Any], key: str | None) -> str:
    if key or found.key:
        return key or found.key
    ids = [name for name in row if name.endswith("_id") and name not in ("incident_id", "provider_id", "location_id")]
    return ids[0] if ids else "incident_id"


def _path(stage: _Stage, player: Player, found: Look, of: str | None) -> str:
    if found.of_review:
        return found.path.replace("{review}", _newest_review(stage, player, stage.incident(of)))
    if found.of_incident:
        return found.path.replace("{of}", stage.incident(of))
    return str(stage.text(found.path))


def _expect(stage: _Stage, wanted: Expect) -> Outcome:
    found = look(wanted.look)
    assert found is not None
    player = stage.player(wanted.as_)
    path = _path(stage, player, found, wanted.of)
    deadline = _deadline(stage, wanted.within or wanted.throughout) if found.service else time.monotonic()
    if not wanted.within and not wanted.throughout and _would_hold_of_nothing(wanted):
        deadline = time.monotonic()
    pauses = _pauses()
    while True:
        answer = _answered(stage, wanted) if not found.service else player.get(found.service, path)
        held, seen, row = _judge(stage, wanted, found, answer)
        late = time.monotonic() > deadline
        # Until it holds; or, with `throughout`, until it does not.
        if late or held != bool(wanted.throughout):
            break
        time.sleep(next(pauses))
    if held and wanted.id:
        body = row if isinstance(row, dict) else answer.body
        key = _key(found, body, None) if isinstance(body, dict) else ""
        _name(stage, wanted.id, _Result(body.get(key) if key else None, body, stage.clock.now(), answer.path))
    record = answer.path + (f" #{row[found.key]}" if found.key and isinstance(row, dict) and found.key in row else "")
    return Outcome(0, wanted.expect, held, seen, record, 0)


def _newest_review(stage: _Stage, player: Player, incident: str) -> str:
    """The review that was opened last, as soon as this person sees one; an id that nothing has, if it never comes."""
    deadline = time.monotonic() + stage.patience
    while True:
        answer = player.get("review", f"/reviews?incident_id={incident}")
        rows = [] if answer.refused else _rows(answer.body, "")
        if rows:
            return str(rows[0]["review_id"])
        if answer.refused or time.monotonic() > deadline:
            return str(uuid.UUID(int=0))
        time.sleep(_AGAIN_SECONDS)


def _answered(stage: _Stage, wanted: Expect) -> Answer:
    """What an earlier step was told."""
    if wanted.of not in stage.results:
        raise _NotThere(f"'{wanted.of}' did not happen")
    result = stage.results[wanted.of]
    return Answer(200, result.body, None, f"{result.path} (answer to {wanted.of})")


def _would_hold_of_nothing(wanted: Expect) -> bool:
    return bool(wanted.absent) or bool({"count_at_most", "is_not", "lacks", "at_most"} & wanted.model_fields_set)


def _deadline(stage: _Stage, said: str | None) -> float:
    real = moments.duration(said).total_seconds() / stage.speed if said else 0.0
    if said is None or stage.speed >= _TOO_FAST_TO_TELL:
        return time.monotonic() + max(real, stage.patience)
    return time.monotonic() + max(real, min(stage.patience, 5 + real))


def _judge(stage: _Stage, wanted: Expect, found: Look, answer: Answer) -> tuple[bool, Any, Any]:
    """Whether all conditions hold of what was seen; the value seen; the row that shows it."""
    if wanted.refused is not None:
        held, said = _is_refused(wanted.refused, answer)
        return held, said, None
    if answer.refused:
        return False, answer.problem(), None
    rows = [row for row in _rows(answer.body, found.rows) if _fits(row, stage.fill(wanted.pick))]
    given = wanted.model_fields_set
    name = wanted.field or (found.field if given & ON_FIELD or found.record else "")
    counted = {
        "count": len(rows) == wanted.count,
        "count_at_least": len(rows) >= (wanted.count_at_least or 0),
        "count_at_most": len(rows) <= (wanted.count_at_most or 0),
    }
    values = [(value, row) for row in rows for value in _at(row, name)] if name else [(row, row) for row in rows]
    if wanted.absent is not None:
        there = [value for value, _ in values if value not in (None, [], {})]
        return bool(there) != wanted.absent, _short(there or "nothing"), rows[-1] if rows else None
    for condition, holds in counted.items():
        if condition in given and not holds:
            return False, f"{len(rows)}: {_short([value for value, _ in values])}", rows[-1] if rows else None
    conditions = [condition for condition in CONDITIONS if condition in given & ON_FIELD]
    if not conditions:
        return True, f"{len(rows)}", rows[-1] if rows else None
    fitting = [(v, row) for v, row in values if all(_holds(stage, c, getattr(wanted, c), v) for c in conditions)]
    held = bool(values) and len(fitting) == len(values) if wanted.every else bool(fitting)
    if held:
        return True, _short(fitting[-1][0]), fitting[-1][1]
    return False, _short([v for v, _ in values]) if values else "nothing there", rows[-1] if rows else None


def _holds(stage: _Stage, condition: str, wanted: Any, value: Any) -> bool:
    if condition in ("not_after", "not_before"):
        try:
            seen, limit = datetime.fromisoformat(str(value)), stage.moment(wanted)
        except (ValueError, TypeError):
            return False
        return bool(seen <= limit if condition == "not_after" else seen >= limit)
    wanted = stage.fill(wanted)
    match condition:
        case "equals":
            return _same(value, wanted)
        case "is_not":
            return not _same(value, wanted)
        case "one_of":
            return any(_same(value, one) for one in wanted)
        case "contains" | "lacks":
            inside = value if isinstance(value, str) else json.dumps(value) if isinstance(value, dict) else None
            there = str(wanted).casefold() in inside.casefold() if inside is not None else _holds_entry(value, wanted)
            return bool(there == (condition == "contains"))
        case _:
            try:
                return bool(float(value) >= wanted if condition == "at_least" else float(value) <= wanted)
            except (TypeError, ValueError):
                return False


def _holds_entry(value: Any, wanted: Any) -> bool:
    return isinstance(value, list) and any(_same(entry, wanted) for entry in value)


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool) or value is None or wanted is None:
        return value is wanted
    return bool(value == wanted) or str(value) == str(wanted)


def _fits(row: Any, wanted: dict[str, Any]) -> bool:
    for name, value in wanted.items():
        seen = _at(row, name) or [None]
        choices = value if isinstance(value, list) else [value]
        if not any(_same(one, choice) for one in seen for choice in choices):
            return False
    return True


def _rows(body: Any, name: str) -> list[Any]:
    if name and isinstance(body, dict):
        found = _at(body, name)
        body = [row for rows in found for row in (rows if isinstance(rows, list) else [rows])]
    elif isinstance(body, dict) and isinstance(body.get("items"), list):
        body = body["items"]
    return body if isinstance(body, list) else [] if body is None else [body]


def _at(value: Any, path: str) -> list[Any]:
    """The values at a dotted path; a list on the way is gone through entry by entry."""
    if not path:
        return [value]
    if isinstance(value, list):
        head, _, rest = path.partition(".")
        if head.isdigit():
            return _at(value[int(head)], rest) if int(head) < len(value) else []
        return [found for entry in value for found in _at(entry, path)]
    head, _, rest = path.partition(".")
    return _at(value[head], rest) if isinstance(value, dict) and head in value else []


def _short(value: Any) -> Any:
    text = value if isinstance(value, str) else json.dumps(value)
    return value if len(text) <= 300 else text[:297] + "..."
