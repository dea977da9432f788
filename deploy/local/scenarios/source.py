"""Reads a scenario file as plain values, and knows on which line each of them stands."""

from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a file: where, what, and what to do."""

    line: int
    message: str
    remedy: str


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
    """Dates stay text: a scenario has its own way to say when."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(text: str) -> Source:
    """The values of a YAML text. What cannot be read is a finding."""
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
        source.findings.append(Finding(1, "the file is empty", "Start from the example in docs/scenarios.md."))
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
