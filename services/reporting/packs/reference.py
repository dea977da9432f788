"""The regulator's frameworks that Plumbline knows, as reference data over HTTP."""

from fastapi import APIRouter
from pydantic import BaseModel

from services.reporting.packs import frameworks
from services.runtime.auth import Caller

router = APIRouter(tags=["frameworks"])


class FrameworkView(BaseModel):
    """One framework: its key questions, each with its statements."""

    id: str
    title: str
    status: str
    questions: dict[str, list[str]]


class FrameworksView(BaseModel):
    """A version of all of them, and where statements of one are found in the other."""

    version: str
    frameworks: list[FrameworkView]
    crosswalk: dict[str, list[str]]
    crosswalk_from: str
    crosswalk_to: str


@router.get("/frameworks", summary="Read the regulator's frameworks")
def read_frameworks(actor: Caller) -> FrameworksView:
    """The statements that evidence packs are ordered by, in force and drafted. For everybody."""
    known = frameworks.shipped()
    return FrameworksView(
        version=known.version,
        frameworks=[
            FrameworkView(
                id=one.id,
                title=one.title,
                status=one.status,
                questions={question: list(statements) for question, statements in one.questions.items()},
            )
            for one in known.frameworks
        ],
        crosswalk={one: list(others) for one, others in known.crosswalk.statements.items()},
        crosswalk_from=known.crosswalk.source,
        crosswalk_to=known.crosswalk.target,
    )
