"""Back-tests over HTTP."""

from dataclasses import asdict

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from services.contracts.taxonomy import ReviewMethod, Verdict
from services.review import policy
from services.review.backtest import domain, queries
from services.runtime.app import Database
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, Reply, fingerprint, once
from services.runtime.limit import Limit
from services.runtime.policies import PolicyText, usable
from services.runtime.policy_file import built

router = APIRouter(tags=["policies"])

TRYING = Limit("backtest", 20)
"""It decides every past incident twice."""


class MovedView(BaseModel):
    """How many incidents had one method before and have another, or the same, after."""

    before: ReviewMethod
    after: ReviewMethod
    incidents: int


class LessView(BaseModel):
    """An incident that would have been reviewed less, and what became of it."""

    incident: str
    before: ReviewMethod
    after: ReviewMethod
    rule_before: str
    rule_after: str
    repeats_after: int
    verdict: Verdict | None
    reopened: bool
    went_badly: bool


class BacktestView(BaseModel):
    """What would have changed among the incidents that the caller may see. Nothing was saved."""

    before_version: str
    after_version: str
    incidents: int
    changed: int
    deeper: int
    changed_otherwise: dict[str, int] = Field(
        description="Incidents for which something else than the method differs: time, lead, approval, what is required."
    )
    methods: list[MovedView]
    hours_before: float
    hours_after: float
    without_hours: list[ReviewMethod] = Field(
        description="Methods that were chosen but have no hours: they count as 0."
    )
    reviewed_less: list[LessView] = Field(description="Those that went badly first.")


@router.post(
    "/policies/backtests", response_model=BacktestView, summary="Back-test a policy", openapi_extra=TRYING.described
)
def run_backtest(body: PolicyText, actor: Caller, key: CommandKey, database: Database) -> JSONResponse:
    """Decide past incidents by the policy of now and by a draft that can work (else 422 by line). Nothing is saved.

    For those who may draft a policy.
    """
    require_role(actor, *policy.POLICIES.writers)
    TRYING.take(actor.id)

    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            usable(policy.POLICIES, body)
            draft = built(policy.KIND, body.source)
            found = domain.backtest(queries.past(session, actor), policy.current(session, actor.provider_id), draft)
            return Reply(200, BacktestView.model_validate(asdict(found)))

        return once(session, "review", actor, key, fingerprint("backtest-policy", body), run)
