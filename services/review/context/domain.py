"""What a proportionality policy may ask about an incident. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm, PsychologicalHarm

MOST_REPEATS = 10
"""Counted up to here."""


class Fact(StrEnum):
    """What intake says of an incident after it was reported."""

    CANDOUR_ASKED = "candour_asked"
    CANDOUR_MET = "candour_met"
    SAFEGUARDING = "safeguarding"
    REGULATOR_NOTICE = "regulator_notice"


@dataclass(frozen=True)
class Situation:
    """An incident as a policy sees it. Each field is a condition by which a rule may choose."""

    kind: Kind
    category: Category
    band: Band
    actual_harm: PhysicalHarm
    psychological_harm: PsychologicalHarm = PsychologicalHarm.NONE
    repeats_at_location: int = 0
    repeats_of_person: int = 0
    repeats_at_provider: int = 0
    candour_asked: bool = False
    candour_met: bool = False
    safeguarding: bool = False
    regulator_notice: bool = False
    restricted: bool = False
    on_hold: bool = False
