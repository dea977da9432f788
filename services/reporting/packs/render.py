"""The pack as people read it: HTML and PDF from one and the same content."""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import typst
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.reporting.packs.chart import Drawn
from services.reporting.packs.frameworks import Frameworks
from services.reporting.packs.page import Page
from services.reporting.packs.words import when

_TEMPLATES = Path(__file__).parent / "templates"


def content(
    *,
    title: str,
    author: str,
    facts: list[tuple[str, str]],
    choice: list[str],
    withheld: list[str],
    pages: Sequence[Page],
    chart: Drawn | None,
    frameworks: Frameworks,
) -> dict[str, Any]:
    """What both forms show."""
    numbers = {page.incident_id: (number, page.name) for number, page in enumerate(pages, 1)}

    def link(incident_id: str) -> dict[str, Any]:
        number, name = numbers[incident_id]
        return {"id": name, "number": number}

    organised = frameworks.organise({page.incident_id: page.evidence for page in pages})
    for framework in organised:
        for group in framework["questions"]:
            for row in group["statements"]:
                row["evidence"] = [
                    {"category": category, "pages": [link(one) for one in ids]}
                    for category, ids in row["evidence"].items()
                ]
    return {
        "title": title,
        "author": author,
        "facts": facts,
        "choice": choice,
        "withheld": withheld,
        "gap_count": sum(len(page.gaps) for page in pages),
        "chart": chart and {"title": chart.title, "svg": chart.svg, "says": chart.says, "rows": chart.rows},
        "frameworks": organised,
        "pages": [
            {
                **link(page.incident_id),
                "incident_id": page.incident_id,
                "title": page.title,
                "why": page.why,
                "facts": page.facts,
                "gaps": [
                    {"what": g.what, "expected": g.expected, "due": when(g.due) if g.due else None, "late": g.late}
                    for g in page.gaps
                ],
                "sections": page.shown(),
                "evidence": page.evidence,
                "withheld": page.withheld,
            }
            for page in pages
        ],
    }


def html(pack: dict[str, Any]) -> bytes:
    """One page of HTML that needs nothing else: no script, no file beside it."""
    return _environment().get_template("pack.html").render(pack=pack).encode()


def pdf(pack: dict[str, Any], at: datetime) -> bytes:
    """A tagged PDF, one page an incident. `at` is the time that it carries."""
    made = typst.compile(
        str(_TEMPLATES / "pack.typ"),
        format="pdf",
        sys_inputs={"pack": json.dumps(pack)},
        ignore_system_fonts=True,
        timestamp=int(at.timestamp()),
    )
    assert isinstance(made, bytes)
    return made


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
