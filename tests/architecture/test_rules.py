"""The rules of the house (design section 5), read off the source."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.contracts.topics import EVENTS

ROOT = Path(__file__).parents[2]
SERVICES = ("directory", "intake", "review", "actions", "reporting")
PACKAGES = ("services", "workflows", "deploy")
BUSINESS = {
    "incident", "triage", "escalation", "review", "action", "evidence", "verification", "briefing", "learning",
    "safeguarding", "candour", "location", "region", "carer", "manager", "harm", "reporter",
}  # fmt: skip


def sources(*folders: str) -> list[Path]:
    return sorted(p for f in folders for p in (ROOT / f).rglob("*.py") if "migrations/versions" not in p.as_posix())


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("service", SERVICES)
def test_services_do_not_import_one_another(service: str) -> None:
    allowed = ("services.contracts", "services.runtime", "services.spc", f"services.{service}")
    for path in sources(f"services/{service}"):
        for name in imports(path):
            if name.startswith(("services.", "workflows", "deploy")):
                assert name.startswith(allowed), f"{module(path)} imports {name}"


def test_the_console_has_no_rules_and_no_database() -> None:
    allowed = ("services.contracts.taxonomy", "services.runtime", "services.console")
    for path in sources("services/console"):
        for name in imports(path):
            assert not name.startswith(("sqlalchemy", "psycopg", "temporalio", "kafka")), (
                f"{module(path)} imports {name}"
            )
            if name.startswith(("services.", "workflows", "deploy")):
                assert name.startswith(allowed), f"{module(path)} imports {name}"


@pytest.mark.parametrize("service", SERVICES)
def test_services_do_not_read_another_schema(service: str) -> None:
    others = "|".join(s for s in SERVICES if s != service)
    reads = re.compile(rf"\b(?:from|join|into|update|table)\s+({others})\.[a-z_]+", re.IGNORECASE)
    for path in (ROOT / "services" / service).rglob("*.py"):
        literals = [
            n.value
            for n in ast.walk(ast.parse(path.read_text()))
            if isinstance(n, ast.Constant) and isinstance(n.value, str)
        ]
        for literal in literals:
            assert not reads.search(literal), f"{module(path)}: {literal[:80]}"


def test_domain_is_pure() -> None:
    import sys

    for path in (ROOT / "services").rglob("domain.py"):
        for name in imports(path):
            top = name.split(".")[0]
            service = ".".join(module(path).split(".")[:2])
            own = name.startswith(f"{service}.") and ".domain" in name
            assert top in sys.stdlib_module_names or name.startswith("services.contracts.taxonomy") or own, (
                f"{module(path)} imports {name}"
            )


def test_contracts_and_runtime_stand_below_all() -> None:
    for path in sources("services/contracts"):
        for name in imports(path):
            if name.startswith(("services.", "workflows", "deploy")):
                assert name.startswith("services.contracts"), f"{module(path)} imports {name}"
    for path in sources("services/runtime"):
        for name in imports(path):
            if name.startswith(("services.", "workflows", "deploy")):
                assert name.startswith("services.runtime"), f"{module(path)} imports {name}"


def test_statistics_are_pure() -> None:
    import sys

    for path in sources("services/spc"):
        for name in imports(path):
            top = name.split(".")[0]
            assert top in sys.stdlib_module_names or top in ("numpy", "scipy") or name.startswith("services.spc"), (
                f"{module(path)} imports {name}"
            )


def test_workflows_import_contracts_and_runtime_only() -> None:
    for path in sources("workflows"):
        for name in imports(path):
            if name.startswith(("services.", "deploy")):
                assert name.startswith(("services.contracts", "services.runtime")), f"{module(path)} imports {name}"


def test_nothing_imports_a_main() -> None:
    for path in sources(*PACKAGES):
        assert not [n for n in imports(path) if n.split(".")[-1] == "__main__"], module(path)


def test_no_file_is_named_for_nothing() -> None:
    forbidden = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
    for path in sources(*PACKAGES, "tests"):
        assert path.stem not in forbidden, path


def test_a_runtime_file_has_two_users_and_no_word_of_the_business() -> None:
    files = [p for p in sources("services/runtime") if p.stem != "__init__"]
    everything = {p: set(imports(p)) for p in sources(*PACKAGES)}
    for path in files:
        name = module(path)
        users = {
            module(p).rsplit(".", 1)[0]
            for p, names in everything.items()
            if p != path and any(n.startswith(name) for n in names)
        }
        outside = {u for u in users if u != "services.runtime"}
        inside = sum(1 for p, names in everything.items() if p != path and module(p).startswith("services.runtime") and any(n.startswith(name) for n in names))  # fmt: skip
        assert len(outside) + inside >= 2 or inside >= 1, f"{name} has too few users: {users}"
        words = set(re.findall(r"[a-z_]+", path.read_text().lower()))
        # The audit chain has a column `action`, which policies fill; a token's scope is in locations and regions.
        # A store of attachments has a region too.
        if path.stem not in ("attachments", "audit", "actor", "auth", "erasure", "tables", "policies"):
            assert not words & BUSINESS, f"{name} speaks of {words & BUSINESS}"
        assert len(path.read_text().splitlines()) <= 460, f"{name} is too long for one job"


def test_every_table_has_a_tenancy_policy() -> None:
    for service in SERVICES:
        for path in (ROOT / "services" / service / "migrations" / "versions").glob("*.py"):
            text = path.read_text()
            for table in re.findall(rf"create table (?:if not exists )?{service}\.(\w+)", text, re.IGNORECASE):
                assert re.search(rf'protect_v1\(op, "{service}", "{table}"', text), f"{service}.{table} is unprotected"


def test_every_event_is_projected_or_left_out_on_purpose() -> None:
    from services.reporting import consumer

    known = set(consumer.PROJECTED) | set(consumer.IGNORED)
    assert set(EVENTS) == known
    assert not set(consumer.PROJECTED) & set(consumer.IGNORED)


def test_every_public_function_says_what_it_promises() -> None:
    missing = []
    for path in sources(*PACKAGES):
        tree = ast.parse(path.read_text())
        if ast.get_docstring(tree) is None and path.read_text().strip():
            missing.append(module(path))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith(
                "_"
            ):
                nested = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _public(tree, node)
                if not nested and ast.get_docstring(node) is None:
                    missing.append(f"{module(path)}.{node.name}")
    assert missing == []


def _public(tree: ast.Module, node: ast.AST) -> bool:
    """A function of the module or of a class that others may use."""
    classes = [c for c in ast.walk(tree) if isinstance(c, ast.ClassDef) and not c.name.startswith("_")]
    return node in tree.body or any(node in c.body for c in classes)


def test_no_path_of_a_machine_and_no_registry_in_the_project() -> None:
    bad = re.compile(r"/work/|/root/|/opt/wheels|\.shared/design")
    for path in [*sources(*PACKAGES, "tests"), *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "Makefile"]:
        if path != Path(__file__):
            assert not bad.search(path.read_text()), path
