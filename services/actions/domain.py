"""The rules of actions: pure, no I/O. Times carry a time zone; the caller says what time it is.

Done, verified and effective are three different things: the owner says so; somebody else looked at evidence in
practice; the measure moved, and stayed.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from services.contracts.taxonomy import Band, Category, ExposureUnit

_LONDON = ZoneInfo("Europe/London")


class ActionStatus(StrEnum):
    """How far an action is. Agreed: the clock does not run yet. Open: it does. Effective is not said of one action."""

    AGREED = "agreed"
    OPEN = "open"
    DONE = "done"
    VERIFIED = "verified"
    CANCELLED = "cancelled"

    @property
    def settled(self) -> bool:
        """Nothing is left to do or to verify."""
        return self in (ActionStatus.VERIFIED, ActionStatus.CANCELLED)


class EvidenceKind(StrEnum):
    """What sort of proof it is."""

    OBSERVATION = "observation"
    DOCUMENT = "document"
    AUDIT_RESULT = "audit_result"
    LINK = "link"


class VerificationMethod(StrEnum):
    """How somebody looked whether the change is there in practice."""

    SPOT_CHECK = "spot_check"
    OBSERVATION = "observation"
    DOCUMENT_CHECK = "document_check"
    PEOPLE_ASKED = "people_asked"
    RECORDS_AUDIT = "records_audit"
    RE_AUDIT = "re_audit"


def independent(verifier: UUID, *, above: Collection[UUID], owner: UUID, done_by: UUID | None) -> bool:
    """Whether somebody may verify: not who owns the action or said that it is done, nor anybody who answers to them.

    `above` is everybody in the line above the verifier.
    """
    return not {owner, done_by} & {verifier, *above}


_SOURCE_OF = {
    VerificationMethod.OBSERVATION: EvidenceKind.OBSERVATION,
    VerificationMethod.DOCUMENT_CHECK: EvidenceKind.DOCUMENT,
    VerificationMethod.RECORDS_AUDIT: EvidenceKind.AUDIT_RESULT,
    VerificationMethod.RE_AUDIT: EvidenceKind.AUDIT_RESULT,
}


def sources(kinds: Iterable[str], method: VerificationMethod) -> set[str]:
    """The different sources that a verification rests on: the kinds of evidence, and the verifier's own look."""
    return {str(kind) for kind in kinds} | {str(_SOURCE_OF.get(method, method))}


@dataclass(frozen=True)
class ImprovementPolicy:
    """A version of a provider's policy for actions and their effect."""

    version: str
    agree_working_days: int
    redo_working_days: int
    decide_working_days: int
    verify: timedelta
    checkpoints: Mapping[Band, Sequence[timedelta]]
    extension: timedelta
    baseline_days: int
    default_unit: ExposureUnit
    min_baseline_events: int
    min_expected_events: int
    min_baseline_months: int
    min_points_after: int
    confidence: float
    stronger_needed: Collection[Band]
    stronger_needed_on_repeat: Collection[Band]
    repeat_within: timedelta
    hand_over_before: timedelta
    draws_needed: Collection[Band]
    sources_needed: Collection[Band]
    recheck_after: Mapping[Band, timedelta]
    recheck_after_of: Mapping[Category, timedelta]
    shifts_needed: Mapping[Band, int]
    remind_verifier_before: Mapping[Band, timedelta]
    remind_before: Mapping[Band, timedelta]
    most_extensions: int
    longest_extension: int

    def plan(self, band: Band, at: datetime) -> list[datetime]:
        """When to measure after the last action of a cycle was settled, earliest first. Calendar days."""
        return [at + after for after in self.checkpoints[band]]

    def recheck(self, band: Band | None, category: str) -> timedelta | None:
        """How long after its verification something is looked at again; the earlier of what risk and type ask for."""
        by_type = {str(one): after for one, after in self.recheck_after_of.items()}
        asked = [after for after in (self.recheck_after.get(band) if band else None, by_type.get(category)) if after]
        return min(asked, default=None)
