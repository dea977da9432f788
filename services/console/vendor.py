"""Fetches what browsers get from others' packages: `make vendor`. What it writes is committed, so running needs no npm.

The versions are pinned here; the style sheet loses its web fonts, which belong to the NHS and lie on a foreign server.
"""

import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).parent / "static" / "vendor"
_ICONS = ("arrow-down", "arrow-up", "arrow-up-down", "cross")


@dataclass(frozen=True)
class Package:
    """An npm package and the files that are taken from it."""

    name: str
    version: str
    licence: str
    by: str
    files: dict[str, str]


PACKAGES = (
    Package(
        "nhsuk-frontend", "10.6.1", "MIT", "NHS England (Crown copyright)",
        {
            "dist/nhsuk/nhsuk-frontend.min.css": "nhsuk-frontend.min.css",
            "dist/nhsuk/nhsuk-frontend.min.js": "nhsuk-frontend.min.js",
            **{f"dist/nhsuk/assets/images/nhsuk-icon-{icon}.svg": f"images/nhsuk-icon-{icon}.svg" for icon in _ICONS},
        },
    ),
    Package("htmx.org", "2.0.11", "0BSD", "Big Sky Software", {"dist/htmx.min.js": "htmx.min.js"}),
    Package("htmx-ext-sse", "2.2.4", "0BSD", "Big Sky Software", {"dist/sse.min.js": "htmx-ext-sse.min.js"}),
    Package("idb-keyval", "6.3.0", "Apache-2.0", "Jake Archibald", {"dist/index.js": "idb-keyval.js"}),
)  # fmt: skip


def fetch() -> None:
    """Write the files of all packages, and which they are. Needs npm and its registry."""
    shutil.rmtree(VENDOR, ignore_errors=True)
    VENDOR.mkdir(parents=True)
    lines = [
        "# From others",
        "",
        "Written by `make vendor`; do not edit.",
        "",
        "| file | package | licence | by |",
        "|---|---|---|---|",
    ]
    for package in PACKAGES:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["npm", "pack", "--silent", f"{package.name}@{package.version}"], cwd=folder, check=True)
            [archive] = Path(folder).glob("*.tgz")
            with tarfile.open(archive) as content:
                content.extractall(folder, filter="data")
            for source, target in package.files.items():
                text = (Path(folder) / "package" / source).read_text()
                (VENDOR / target).parent.mkdir(exist_ok=True)
                (VENDOR / target).write_text(_own(text) if target.endswith(".css") else _without_map(text))
                lines.append(f"| {target} | {package.name} {package.version} | {package.licence} | {package.by} |")
    (VENDOR / "README.md").write_text("\n".join(lines) + "\n")


def _own(style: str) -> str:
    style = re.sub(r"@font-face\{[^}]*\}", "", _without_map(style)).replace("Frutiger W01,", "")
    return style.replace("url(/assets/images/", "url(/static/vendor/images/")


def _without_map(text: str) -> str:
    return re.sub(r"/[/*]# sourceMappingURL=\S+( \*/)?", "", text).rstrip() + "\n"


if __name__ == "__main__":
    fetch()
