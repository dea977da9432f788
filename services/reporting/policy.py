"""The policies of reporting that a provider may have of its own: governance and patterns."""

from uuid import UUID

from sqlalchemy.orm import Session

from services.contracts.policy import PolicyPublished
from services.contracts.taxonomy import Role
from services.reporting.governance.policy import KIND as GOVERNANCE
from services.reporting.governance.policy import GovernancePolicy
from services.reporting.patterns.policy import KIND as PATTERNS
from services.reporting.patterns.policy import PatternPolicy
from services.runtime.policies import Policies

POLICIES = Policies(
    service="reporting",
    kinds={GOVERNANCE.name: GOVERNANCE, PATTERNS.name: PATTERNS},
    writers=(Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR),
    publishers=(Role.QUALITY_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR),
    published=lambda i, name, version, sha256: PolicyPublished(
        policy_id=i, name=name, policy_version=version, sha256=sha256
    ),
)


def of_governance(session: Session, provider_id: UUID) -> GovernancePolicy:
    """The cadence and the times that a provider goes by now."""
    found: GovernancePolicy = POLICIES.current(session, provider_id, GOVERNANCE.name)
    return found


def of_patterns(session: Session, provider_id: UUID) -> PatternPolicy:
    """The rules by which a provider's patterns are found now."""
    found: PatternPolicy = POLICIES.current(session, provider_id, PATTERNS.name)
    return found
