"""Words for what contributed, over HTTP."""

from fastapi import APIRouter
from pydantic import BaseModel

from services.contracts.taxonomy import Seips
from services.review.causes.domain import SUGGESTIONS, FactorWord
from services.review.domain import APPROVERS
from services.runtime.auth import Caller, require_role

router = APIRouter(tags=["reviews"])


class FactorWordView(BaseModel):
    """A word, the elements of the work system it usually means (the likeliest first), and what to ask first."""

    word: FactorWord
    elements: list[Seips]
    ask: str


@router.get("/factor-words", summary="List the words for what contributed")
def read_words(actor: Caller) -> list[FactorWordView]:
    """A suggestion only: a factor may carry a word and lie in any element. For those who write or approve reviews."""
    require_role(actor, *APPROVERS)
    return [FactorWordView(word=word, elements=list(one.elements), ask=one.ask) for word, one in SUGGESTIONS.items()]
