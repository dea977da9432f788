"""Reads a YAML file that people write as plain values, knows on which line each stands, and says what is wrong with it."""

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a file: where, what, and what to do. `message` names the field if one is at fault."""

    line: int
    message: str
    remedy: str
    field: str = ""
    problem: str = ""


@dataclass
class Source:
    """The values of a file and their lines, counted from 1."""

    values: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """Where a value stands, or the nearest thing around it that is in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class _Loader(yaml.SafeLoader):
    """Dates and times stay text: each format has its own way to say when."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(text: str, *, example: str) -> Source:
    """The values of a YAML text. What cannot be read is a finding; `example` is where to begin from."""
    source = Source()
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = error.problem or "cannot be read"
        remedy = "Put texts that hold a colon, a comma or a brace in quotes, and indent with spaces."
        source.findings.append(Finding(mark.line + 1 if mark else 1, f"this is not YAML: {said}", remedy))
        return source
    except yaml.YAMLError:
        source.findings.append(Finding(1, "this is not YAML text", "Save the file as plain UTF-8 text."))
        return source
    if root is None:
        source.findings.append(Finding(1, "the file is empty", f"Start from {example}."))
        return source
    source.values = _value(loader, root, (), source)
    return source


def _value(loader: _Loader, node: yaml.Node, path: Path, source: Source) -> Any:
    source.lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, (*path, n), source) for n, item in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        try:
            return loader.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError):
            finding = Finding(node.start_mark.line + 1, "this value cannot be read", "Put it in quotes.")
            source.findings.append(finding)
            return None
    found: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            source.findings.append(Finding(line, "a list or map is used as a name", "Give it a plain name."))
            continue
        key = str(key_node.value)
        if key in found:
            source.findings.append(Finding(line, f"'{key}' is given twice", "Keep one of them."))
            continue
        found[key] = _value(loader, value_node, (*path, key), source)
        source.lines[(*path, key)] = line
    return found


def validated(model: type[BaseModel], values: Any, path: Path, source: Source) -> Any:
    """The values as a model, or None: then each thing that is wrong with them is a finding of the source."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        seen = set()
        for problem in error.errors():
            where = tuple(p for p in problem["loc"] if not _is_type_name(p))
            if (where, problem["type"] == "missing") in seen:
                continue
            seen.add((where, problem["type"] == "missing"))
            named = re.match(r"([a-z_]+): ", str(problem["msg"]).removeprefix("Value error, "))
            if problem["type"] == "value_error" and named and (*path, *where, named[1]) in source.lines:
                where = (*where, named[1])
            line = source.line((*path, *where))
            name = ".".join(str(p) for p in where)
            message, remedy = _said(model, where, name, problem)
            said = message.removeprefix(f"'{name}'").lstrip(": ")
            if problem["type"] in ("enum", "literal_error"):
                said = "is not one of the values"
            source.findings.append(Finding(line, message, remedy, name, said))
        return None


def _is_type_name(part: str | int) -> bool:
    return isinstance(part, str) and ("[" in part or part in ("str", "int", "bool"))


def _said(model: type[BaseModel], where: Path, name: str, problem: Any) -> tuple[str, str]:
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        outer = _model_at(model, where[:-1]) or model
        known = [f.alias or n for n, f in outer.model_fields.items()]
        return f"'{name}' is not known here", instead(name.rsplit(".", 1)[-1], known)
    if problem["type"] == "missing":
        around = _model_at(model, where[:-1])
        info = around.model_fields.get(str(where[-1])) if around is not None else None
        about = (info.description or "") if info else ""
        return f"'{name}' is missing", f"Give it{': ' + about if about else '.'}"
    if problem["type"] in ("enum", "literal_error"):
        choices = re.findall(r"'([^']+)'", str(problem["ctx"]["expected"]))
        return f"'{name}' cannot be '{problem['input']}'", instead(str(problem["input"]), choices)
    if "." in message and problem["type"] == "value_error":
        said, _, remedy = message.partition(". ")
        return f"'{name}' {said}", remedy
    return f"'{name}': {message}", "Correct the value as the message says."


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model that describes what stands at a path, if there is one."""
    for part in path:
        if isinstance(part, int):
            continue
        info = next((f for n, f in model.model_fields.items() if part in (n, f.alias)), None)
        inner = None if info is None else _model_in(info.annotation)
        if inner is None:
            return None
        model = inner
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)


def instead(said: str, known: list[str]) -> str:
    """The remedy for a word that is not known: the nearest one, or all."""
    near = get_close_matches(said, known, n=1, cutoff=0.6)
    return f"Did you mean '{near[0]}'?" if near else f"Choose one of: {', '.join(known)}."
