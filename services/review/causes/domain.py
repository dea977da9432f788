"""Words for what contributed, and the aids: five whys and barriers. Pure, no I/O."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from services.contracts.taxonomy import Seips


class FactorWord(StrEnum):
    """A word that teams use for what contributed."""

    STAFFING = "staffing"
    COMMUNICATION = "communication"
    ENVIRONMENT = "environment"
    TRAINING = "training"
    SUPERVISION = "supervision"
    RECORDING = "recording"


@dataclass(frozen=True)
class Suggestion:
    """Where in the work system a word usually lies, the likeliest first, and what to ask before one agrees."""

    elements: Sequence[Seips]
    ask: str


SUGGESTIONS: Mapping[FactorWord, Suggestion] = {
    FactorWord.STAFFING: Suggestion(
        [Seips.ORGANISATION], "Who decides how many and who works, and what was known when it was decided?"
    ),
    FactorWord.COMMUNICATION: Suggestion(
        [Seips.ORGANISATION, Seips.TASKS], "By which step or tool should it have been passed on, and whose task was it?"
    ),
    FactorWord.ENVIRONMENT: Suggestion(
        [Seips.INTERNAL_ENVIRONMENT], "What in the room, the light, the noise or the layout made it likely?"
    ),
    FactorWord.TRAINING: Suggestion(
        [Seips.ORGANISATION, Seips.PERSON], "Who arranges it, and could somebody trained have done it on that day?"
    ),
    FactorWord.SUPERVISION: Suggestion(
        [Seips.ORGANISATION, Seips.PERSON], "How would anybody have noticed sooner, and who had the time to look?"
    ),
    FactorWord.RECORDING: Suggestion(
        [Seips.TASKS, Seips.TOOLS], "What does recording take on a busy day, and does the form ask for it?"
    ),
}
"""A suggestion only: the reviewer may file a factor under any element, and the word is kept."""


class Held(StrEnum):
    """What became of a barrier."""

    HELD = "held"
    FAILED = "failed"
    BYPASSED = "bypassed"
    MISSING = "missing"


@dataclass(frozen=True)
class WhyChain:
    """Why, and why that, up to five times. `leads_to_factor` is a place in the list of factors, from 0."""

    problem: str
    whys: Sequence[str] = field(default_factory=list)
    leads_to_factor: int | None = None


@dataclass(frozen=True)
class Barrier:
    """Something that stood, or should have stood, between a person and harm."""

    barrier: str
    became: Held
    why: str | None = None
    shows_factor: int | None = None


def misplaced(chains: Sequence[WhyChain], barriers: Sequence[Barrier], factors: int) -> Iterator[str]:
    """The fields that name the place of a factor which is not there."""
    for place, chain in enumerate(chains):
        if chain.leads_to_factor is not None and chain.leads_to_factor >= factors:
            yield f"five_whys.{place}.leads_to_factor"
    for place, barrier in enumerate(barriers):
        if barrier.shows_factor is not None and barrier.shows_factor >= factors:
            yield f"barriers.{place}.shows_factor"


@dataclass(frozen=True)
class KnownCause:
    """The cause is known: which learning says so, and which improvement work already answers it, with a reason."""

    reason: str
    learning: Sequence[UUID]
    actions: Sequence[UUID] = ()
    themes: Sequence[UUID] = ()
