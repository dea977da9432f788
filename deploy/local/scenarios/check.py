"""Says what is wrong with a scenario file: the line, what, and the remedy. Nothing is played."""

import re
from dataclasses import dataclass, field
from typing import Any

from deploy.local.scenarios import moments
from deploy.local.scenarios.format import CONDITIONS, ON_FIELD, Entry, Expect, FindStep, Scenario, Wait, model_of
from deploy.local.scenarios.looks import LOOKS, look
from deploy.local.scenarios.verbs import ENDS, VERBS, Report, Step
from deploy.local.scenarios.words import Kind, names_in
from services.runtime.yaml_source import Finding, Path, Source, instead, read, validated

REFERENCE = re.compile(r"\$\{([^}]*)\}")
ANYBODY = "nobody"
"""Who sends no token."""


@dataclass
class Checked:
    """A file that was read: what is wrong with it, and, if nothing is, the scenario and its steps."""

    source: Source
    findings: list[Finding]
    scenario: Scenario | None = None
    entries: list[Entry] = field(default_factory=list)

    def line_of(self, step: int) -> int:
        """The line on which a step begins."""
        return self.source.line(("steps", step))


def check(text: str) -> Checked:
    """Everything that can be known to be wrong without playing it."""
    source = read(text, example="the example in docs/scenarios.md")
    checked = Checked(source, source.findings)
    if source.findings and source.values is None:
        return checked
    if not isinstance(source.values, dict):
        checked.findings.append(
            Finding(1, "a scenario is a map of names", "Begin with id:, title:, provider:, people:.")
        )
        return checked
    checked.scenario = validated(Scenario, source.values, (), source)
    steps = source.values.get("steps")
    if isinstance(steps, list):
        names = _Names(checked, source.values)
        names.header()
        for n, values in enumerate(steps):
            entry = _entry(values, n, checked)
            if entry is not None:
                names.step(n, values, entry)
                checked.entries.append(entry)
            elif isinstance(values, dict):
                names.half_known(n, values)
    checked.findings.sort(key=lambda finding: finding.line)
    return checked


def _entry(values: Any, n: int, checked: Checked) -> Entry | None:
    line = checked.line_of(n)
    if not isinstance(values, dict):
        remedy = "Write 'do: report' with its words under it, or 'expect: ...'."
        checked.findings.append(Finding(line, "a step is a map of names", remedy))
        return None
    kinds = [word for word in ("do", "expect", "find", "wait", "until") if word in values]
    model = model_of(values)
    if model is None and "do" in values:
        line = checked.source.line(("steps", n, "do"))
        checked.findings.append(
            Finding(line, f"'{values['do']}' is not a verb", instead(str(values["do"]), list(VERBS)))
        )
        return None
    if model is None or (len(kinds) > 1 and kinds[1:] != ["until"]):
        said = "is two kinds of step at once" if kinds else "does not say what kind of step it is"
        checked.findings.append(Finding(line, f"a step {said}", "Give one of do:, expect:, find:, wait: or until:."))
        return None
    made = validated(model, values, ("steps", n), checked.source)
    return made if isinstance(made, Step | Expect | Wait | FindStep) else None


class _Names:
    """Follows the names through the file: who and what is known by which step."""

    def __init__(self, checked: Checked, values: dict[str, Any]) -> None:
        self._checked = checked
        provider = values.get("provider")
        provider = provider if isinstance(provider, dict) else {}
        self._values = values
        self._known: dict[Kind, list[str]] = {
            "person": [*_keys(values.get("people"))],
            "place": _keys(provider.get("places")),
            "region": [str(name) for name in provider.get("regions") or [] if isinstance(name, str)],
            "resident": [str(name) for name in values.get("residents") or []],
            "result": [],
        }
        self._moments = [moments.START]
        self._later = [str(s["id"]) for s in values["steps"] if isinstance(s, dict) and "id" in s]
        self._reports: list[str] = []
        self._ended: dict[str, int] = {}
        self._done: set[tuple[str, str]] = set()
        self._latest: tuple[Any, int] | None = None

    def header(self) -> None:
        """The names that provider, people and rota use; and names given to two things."""
        for path, kind, name in names_in(Scenario, {k: v for k, v in self._values.items() if k != "steps"}):
            self._name(path, kind, name)
        people, residents = self._known["person"], self._known["resident"]
        for name in set(people) & set(residents):
            self._find(("residents",), f"'{name}' is both somebody who works here and somebody who is cared for",
                       "Give one of them other initials.")  # fmt: skip
        if ANYBODY in people:
            self._find(
                ("people", ANYBODY), f"'{ANYBODY}' stands for somebody who is not signed in", "Choose another name."
            )
        people_values = self._values.get("people")
        for name, person in (people_values if isinstance(people_values, dict) else {}).items():
            if isinstance(person, dict) and not person.get("role") and not person.get("roles"):
                self._find(("people", name), f"'{name}' has no role", "Give `role`, for example role: carer.")

    def step(self, n: int, values: dict[str, Any], entry: Entry) -> None:
        """What a step uses must be known by then; what it names is known from then on."""
        path: Path = ("steps", n)
        for where, kind, name in names_in(type(entry), values):
            self._name((*path, *where), kind, name)
        for where, text in _texts(values):
            for name in REFERENCE.findall(text):
                self._reference((*path, *where), name)
        self._order(path, values)
        if isinstance(entry, Expect):
            self._expectation(path, entry)
        elif isinstance(entry, FindStep):
            self._looks(path, entry.find, entry.of)
        elif isinstance(entry, Wait):
            if entry.wait is not None and entry.until is not None:
                self._find(path, "waits in two ways", "Give either wait: or until:.")
        else:
            self._verb(path, values, entry)
        self._define(path, entry)

    def half_known(self, n: int, values: dict[str, Any]) -> None:
        """A step with mistakes of its own: look at its names all the same, and do not blame later steps for it."""
        path: Path = ("steps", n)
        model = model_of(values)
        for where, kind, name in names_in(model, values) if model is not None else []:
            self._name((*path, *where), kind, name)
        if values.get("do") == "report":
            self._reports.append(str(values.get("id", "")))
        if isinstance(values.get("do"), str):
            self._done.add((values["do"], str(values.get("action", values.get("of") or self._only_report()))))
        if isinstance(values.get("id"), str):
            self._moments.append(values["id"])
            self._known["result"].append(values["id"])

    def _only_report(self) -> str | None:
        return self._reports[0] if len(self._reports) == 1 else None

    def _verb(self, path: Path, values: dict[str, Any], entry: Step) -> None:
        if entry.as_ is None:
            self._find(path, "it is not said who does this", "Add 'as:' with a name under people.")
        if isinstance(entry, Report):
            self._reports.append(entry.id or "")
            return
        about = values.get("of")
        if "of" in type(entry).model_fields and about is None:
            about = self._the_incident(path)
        for needed in () if entry.refused else entry.needs:
            subject = str(values.get("action", about))
            if needed == "report":
                continue
            if needed == "agree_action":
                continue
            if (needed, subject) not in self._done:
                self._find((*path, "do"), f"'{entry.do}' comes before '{needed}'",
                           f"Put a '{needed}' step before it, or say with 'refused:' that it must not work.")  # fmt: skip
        if about in self._ended and entry.do != "reopen" and entry.refused is None:
            self._find((*path, "do"), f"'{about}' was ended on line {self._ended[about]}",
                       "Put this step before its end, or say with 'refused:' that it must not work.")  # fmt: skip
        if entry.refused is None:
            self._done.add((entry.do, str(values.get("action", about))))
            if entry.do in ENDS and about:
                self._ended[about] = self._checked.source.line(path)

    def _the_incident(self, path: Path) -> str | None:
        if (only := self._only_report()) is not None:
            return only
        message = "nothing has been reported yet" if not self._reports else "there are several reports by now"
        self._find(
            path, f"it is not said which incident this is about: {message}", "Add 'of:' with the id of a report."
        )
        return None

    def _expectation(self, path: Path, entry: Expect) -> None:
        given = entry.model_fields_set & set(CONDITIONS)
        if not given:
            self._find(path, "an expectation without a condition", f"Add one of: {', '.join(CONDITIONS)}.")
        if "refused" in given and len(given) > 1:
            self._find(
                path, "a look that is refused shows nothing else", "Keep 'refused' alone, and make two expectations."
            )
        if entry.within is not None and entry.throughout is not None:
            self._find(path, "'within' and 'throughout' contradict each other", "Keep one of them.")
        if "absent" in given and entry.absent and given & ON_FIELD:
            self._find(path, "a row that is absent has no values", "Keep 'absent', and pick the row with 'pick'.")
        found = self._looks(path, entry.look, entry.of)
        if found is not None and not entry.field and not found.field and given & ON_FIELD:
            self._find(path, f"it is not said which value {', '.join(sorted(given & ON_FIELD))} is about",
                       "Add 'field:', for example field: to_role.")  # fmt: skip

    def _looks(self, path: Path, said: str, of: str | None) -> Any:
        found = look(said)
        if found is None:
            remedy = f"{instead(said, list(LOOKS))} Or give a service and a path: intake /incidents/${{fall}}."
            self._find((*path, "look"), f"'{said}' is not a look", remedy)
        elif (found.of_incident or not found.service) and of is None:
            self._the_incident(path)
        return found

    def _order(self, path: Path, values: dict[str, Any]) -> None:
        said = values.get("at") or values.get("until")
        try:
            at = moments.moment(said) if isinstance(said, str) else None
        except ValueError:
            return
        if at is None or at.name != moments.START:
            return
        line = self._checked.source.line(path)
        if self._latest is not None and at.offset < self._latest[0]:
            self._find((*path, "at"), f"this is earlier than the step on line {self._latest[1]}",
                       "Steps are played from top to bottom: put it further up, or correct the time.")  # fmt: skip
        else:
            self._latest = (at.offset, line)

    def _define(self, path: Path, entry: Entry) -> None:
        if entry.id is None:
            return
        if entry.id in self._moments or entry.id in self._known["person"] or entry.id in self._known["resident"]:
            self._find((*path, "id"), f"'{entry.id}' is the name of something else already", "Choose another name.")
            return
        self._moments.append(entry.id)
        if not isinstance(entry, Wait):
            self._known["result"].append(entry.id)

    def _name(self, path: Path, kind: Kind, name: str) -> None:
        if kind == "moment":
            try:
                name = moments.moment(name).name
            except ValueError:
                return
            if name not in self._moments:
                self._unknown(path, "moment", name, self._moments)
        elif kind != "duration" and name not in self._known[kind]:
            if kind == "person" and name == ANYBODY and path[-1] == "as":
                return
            self._unknown(path, kind, name, self._known[kind])

    def _unknown(self, path: Path, kind: str, name: str, known: list[str]) -> None:
        if kind in ("result", "moment") and name in self._later:
            self._find(path, f"'{name}' is used before it is there", "Put the step with that id before this one.")
        else:
            hint = instead(name, known) if known else "There is none yet."
            self._find(path, f"there is no {kind} '{name}'", hint)

    def _reference(self, path: Path, text: str) -> None:
        name = text.strip().partition(".")[0].strip()
        known = [*self._known["result"], *self._known["person"], *self._known["place"], *self._known["region"],
                 *self._known["resident"], *self._moments, "provider"]  # fmt: skip
        if name in known:
            return
        try:
            at = moments.moment(text)
        except ValueError:
            self._unknown(path, "name", name, known)
            return
        if at.name not in self._moments:
            self._unknown(path, "result", name, known)

    def _find(self, path: Path, message: str, remedy: str) -> None:
        self._checked.findings.append(Finding(self._checked.source.line(path), message, remedy))


def _keys(values: Any) -> list[str]:
    return [str(key) for key in values] if isinstance(values, dict) else []


def _texts(values: Any, path: Path = ()) -> list[tuple[Path, str]]:
    if isinstance(values, str):
        return [(path, values)]
    entries = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    return [found for key, value in entries for found in _texts(value, (*path, key))]
