"""A policy as a file that people write: read, checked line by line, built. Nothing is stored here."""

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel

from services.runtime.yaml_source import Path, Source, read, validated

VERSION = r"^[a-z0-9][a-z0-9._-]{0,39}$"


@dataclass(frozen=True)
class Fault:
    """Something that keeps a well-formed policy from working."""

    path: Path
    problem: str
    remedy: str


def _none(_: Any) -> Iterable[Fault]:
    return ()


@dataclass(frozen=True)
class PolicyKind:
    """A sort of policy: the model of its file, what more must hold, and how it becomes what use-cases decide by.

    `shipped` answers what a provider without a policy of its own goes by; it has a `version`. `text` is its file, to begin
    one's own with; absent for kinds that are the same for every provider.
    """

    name: str
    document: type[BaseModel]
    build: Callable[[Any], Any]
    shipped: Callable[[], Any]
    faults: Callable[[Any], Iterable[Fault]] = _none
    text: FilePath | None = None


@dataclass(frozen=True)
class Problem:
    """What is wrong on a line."""

    line: int
    field: str
    problem: str
    remedy: str


@dataclass(frozen=True)
class Checked:
    """A file that was checked: its version if it says one, and what is wrong."""

    kind: str | None
    version: str | None
    problems: Sequence[Problem]
    document: Any = None

    @property
    def ok(self) -> bool:
        """Whether it can be used."""
        return not self.problems


def check(text: str, kind: PolicyKind) -> Checked:
    """Everything that is wrong with a policy, by line."""
    return _check(_source(text), kind)


def check_any(text: str, kinds: Sequence[PolicyKind]) -> Checked:
    """The same for a file that does not say of which kind it is: its names tell."""
    source = _source(text)
    names = set(source.values) if isinstance(source.values, dict) else set()
    ranked = sorted(kinds, key=lambda kind: -_likeness(names, kind))
    if _likeness(names, ranked[0]) <= max(0.3, _likeness(names, ranked[1])):
        problems = _problems(source) or [
            Problem(1, "", "it cannot be told what kind of policy this is", "Say so with --kind.")
        ]
        return Checked(None, _version(source), problems)
    return _check(source, ranked[0])


@functools.lru_cache(maxsize=256)
def built(kind: PolicyKind, text: str) -> Any:
    """What use-cases decide by. For a text that was checked."""
    checked = check(text, kind)
    if not checked.ok:
        raise ValueError(f"policy of kind {kind.name}, version {checked.version}, does not work any more")
    return kind.build(checked.document)


def _likeness(names: set[str], kind: PolicyKind) -> float:
    # Every kind has a version: it tells nothing.
    fields = set(kind.document.model_fields) - {"version"}
    names = names - {"version"}
    return len(names & fields) / len(names | fields) if names else 0.0


def _source(text: str) -> Source:
    source = read(text, example="the shipped policy of that kind")
    if source.values is not None and not isinstance(source.values, dict):
        source.values = {}
    return source


def _check(source: Source, kind: PolicyKind) -> Checked:
    version, document = _version(source), None
    if source.values is not None:
        document = validated(kind.document, source.values, (), source)
    problems = _problems(source)
    if document is not None:
        problems += [
            Problem(source.line(fault.path), ".".join(map(str, fault.path)), fault.problem, fault.remedy)
            for fault in kind.faults(document)
        ]
        if not re.fullmatch(VERSION, document.version):
            remedy = "Use at most 40 small letters, digits, dots, hyphens or underscores, for example 2026-1."
            problems.append(Problem(source.line(("version",)), "version", "is not a version", remedy))
    problems.sort(key=lambda problem: problem.line)
    return Checked(kind.name, version, problems, document)


def _problems(source: Source) -> list[Problem]:
    return [Problem(one.line, one.field, one.problem or one.message, one.remedy) for one in source.findings]


def _version(source: Source) -> str | None:
    version = source.values.get("version") if isinstance(source.values, dict) else None
    return version if isinstance(version, str) else None
