"""The rules of safeguarding: pure, no I/O. The times are the provider's own; the Care Act 2014 names none."""

from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")


class Consent(StrEnum):
    """What the adult says to a referral (Care and support statutory guidance, 14.92 and following)."""

    GIVEN = "given"
    REFUSED = "refused"
    LACKS_CAPACITY = "lacks_capacity"
    NOT_ASKED = "not_asked"


class Met(StrEnum):
    """How far an outcome that the adult wished for came true (Making Safeguarding Personal)."""

    FULLY = "fully"
    PARTLY = "partly"
    NOT = "not"


class Decision(StrEnum):
    """What is to be decided for every adult at risk."""

    REFER = "refer"
    NOT_REFER = "not_refer"


def refer_due(known_at: datetime, *, same_day: bool, at_least: timedelta) -> datetime:
    """Until when to refer: the end of the day in England on which it became known, or `at_least` later if that is more."""
    floor = known_at + at_least
    if not same_day:
        return floor
    local = known_at.astimezone(LONDON)
    midnight = datetime.combine(local.date() + timedelta(days=1), time.min, LONDON)
    return max(floor, midnight.astimezone(UTC))


def still_open(
    *,
    safety_recorded: bool,
    adults: list[tuple[Decision | None, bool, bool]],
    referrals: list[tuple[bool, bool, bool]],
) -> list[str]:
    """What is not recorded yet, in plain words.

    Of each adult: the decision, whether a referral is there, whether wishes are recorded with how far each was met. Of
    each referral: whether the authority answered, whether it enquires, whether the enquiry has an outcome.
    """
    found = [] if safety_recorded else ["Whether the adult is safe now, and what was done."]
    if any(decision is None for decision, _, _ in adults):
        found.append("The decision to refer an adult to the local authority, or the reason not to.")
    if any(decision is Decision.REFER and not referred for decision, referred, _ in adults):
        found.append("The referral that was decided on, with the authority's reference.")
    if any(not answered for answered, _, _ in referrals):
        found.append("What the local authority decided.")
    if any(enquiry and not concluded for _, enquiry, concluded in referrals):
        found.append("The outcome of the local authority's enquiry.")
    if any(not wishes for _, _, wishes in adults):
        found.append("What the adult wants to happen, and how far it came true.")
    return found
