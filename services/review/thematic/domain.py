"""The rules of thematic review: pure, no I/O."""

from dataclasses import dataclass

from services.contracts.taxonomy import Role, ThemeStage

COMMISSIONERS = (Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)
"""Who may commission a theme, change its terms and end it."""

COLLECTORS = (*COMMISSIONERS, Role.REGISTERED_MANAGER, Role.REGIONAL_MANAGER)
"""Who may say whether an incident belongs to a theme, beside those who lead it or work on it."""

_ORDER = list(ThemeStage)
_LADDER = (Role.QUALITY_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)


@dataclass(frozen=True)
class ThemePolicy:
    """A version of a provider's policy for themes. Days are working days, but for the watch."""

    version: str
    accept_working_days: int
    review_working_days: int
    remind_working_days: int
    briefing_target_percent: int
    briefing_working_days: int
    watch_days: int


def may_enter(now_at: tuple[int, ThemeStage], to: tuple[int, ThemeStage]) -> bool:
    """Whether a move leads on. Verification may lead back to acting; nothing leads out of the end, or to where it is."""
    (cycle, stage), (to_cycle, to_stage) = now_at, to
    if stage is ThemeStage.ENDED or to == now_at:
        return False
    if to_cycle != cycle:
        return to_cycle > cycle
    if (stage, to_stage) == (ThemeStage.VERIFYING, ThemeStage.ACTING):
        return True
    return _ORDER.index(to_stage) > _ORDER.index(stage)


def whom_to_tell(count: int) -> Role | None:
    """The rung to be told when a clock ran out for the `count`-th time; None is whoever leads the theme."""
    return None if count <= 1 else _LADDER[min(count - 2, len(_LADDER) - 1)]
