"""What the documents name is there: files, tests, metrics, settings, log messages. What they promise is for readers."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def source() -> str:
    """All code of the product."""
    folders = ("services", "workflows", "deploy")
    return "\n".join(path.read_text() for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))


@cache
def functions_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def named_tests(text: str) -> Iterator[tuple[str, str]]:
    """Every `tests/folder/test_file.py::test_name`; a `::test_name` alone belongs to the file that was named before."""
    file = ""
    for found in re.finditer(r"`(tests/[\w/]+\.py)?(?:::(test_\w+))?`", text):
        file = found[1] or file
        if found[2] and file:
            yield file, found[2]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{name_of(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_are_named_exist(page: Path) -> None:
    for named in re.findall(r"`((?:services|workflows|deploy|tests|docs|scenarios)/[\w./-]+\w)", page.read_text()):
        assert (ROOT / named).exists(), f"{name_of(page)} names {named}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_tests_that_are_named_exist(page: Path) -> None:
    for file, test in named_tests(page.read_text()):
        assert test in functions_of(file), f"{name_of(page)} names {file}::{test}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_metrics_that_are_named_are_exported(page: Path) -> None:
    for metric in re.findall(r"\b(plumbline_[a-z_]+[a-z])\b", page.read_text()):
        name = re.sub(r"_(bucket|count|sum)$", "", metric)  # the series of a histogram
        assert f'"{name}"' in source(), f"{name_of(page)} names {metric}"


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "runbooks").glob("*.md")), ids=name_of)
def test_messages_that_runbooks_quote_are_logged(page: Path) -> None:
    for line in page.read_text().splitlines():
        if line.startswith("- In the log"):
            for quoted in re.findall(r"`([a-z][a-z ,;']+[a-z])`", line):
                assert quoted in source() or quoted == "workflows", f"{name_of(page)} quotes {quoted!r}"


def test_every_decision_is_in_the_list_and_has_its_five_parts() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text())
    assert listed == sorted(path.name for path in folder.glob("0*.md"))
    for name in listed:
        parts = re.findall(r"^## (.+)$", (folder / name).read_text(), re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequences", "Alternatives", "References"], name


def test_every_hazard_has_a_test() -> None:
    rows = re.findall(r"^\| (H\d\d) \|(.+)\|$", (ROOT / "docs" / "hazard-log.md").read_text(), re.MULTILINE)
    assert [number for number, _ in rows] == [f"H{n:02}" for n in range(1, len(rows) + 1)]
    for number, row in rows:
        assert "tests/" in row.split("|")[3], number


def test_every_runbook_is_in_the_list() -> None:
    folder = ROOT / "docs" / "runbooks"
    listed = set(re.findall(r"\]\(([\w-]+\.md)\)", (folder / "README.md").read_text()))
    assert listed == {path.name for path in folder.glob("*.md")} - {"README.md"}
