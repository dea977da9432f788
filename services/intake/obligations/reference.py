"""The obligations that Plumbline knows, as reference data over HTTP: the law's words and the provider's target side by side."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from services.intake.obligations import policy
from services.intake.obligations.domain import Limit
from services.runtime.auth import Caller

router = APIRouter(tags=["obligations"])


class LimitView(BaseModel):
    """A length of time and what it runs from."""

    hours: float | None
    days: int | None
    runs_from: str


class RuleView(BaseModel):
    """One obligation. `statutory_limit` is absent unless the law states a number; the target is the provider's own."""

    id: str
    title: str
    recipient: str
    legal_basis: str
    statutory_wording: str
    statutory_limit: LimitView | None
    provider_target: LimitView | None
    proof: str


class RulesView(BaseModel):
    """A version of all of them."""

    version: str = Field(examples=["obligations-1"])
    rules: list[RuleView]


@router.get("/obligation-rules", summary="Read the obligations that are known")
def read_rules(actor: Caller) -> RulesView:
    """Whom the law, a regulator or a contract wants told of what, with its wording and its source. For everybody."""
    known = policy.shipped()
    return RulesView(
        version=known.version,
        rules=[
            RuleView(
                id=one.id,
                title=one.title,
                recipient=one.recipient_name,
                legal_basis=one.legal_basis,
                statutory_wording=one.statutory_wording,
                statutory_limit=_limit(one.statutory),
                provider_target=_limit(one.target),
                proof=one.proof,
            )
            for one in sorted(known.rules.values(), key=lambda one: one.row)
        ],
    )


def _limit(limit: Limit | None) -> LimitView | None:
    return None if limit is None else LimitView(hours=limit.hours, days=limit.days, runs_from=limit.runs_from)
