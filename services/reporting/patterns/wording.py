"""Why a signal was raised, in plain words: codes become words, figures stay figures."""

from typing import Any, Protocol

from services.reporting.patterns.domain import PatternKind, Status, Trait


class Explained(Protocol):
    """What a sentence is made of."""

    kind: Any
    rule: Any
    category: Any
    trait: Any
    code: Any
    members: Any
    locations: Any
    figures: Any


NEXT = {
    Status.RAISED: "Accept it, merge it into another, or dismiss it, with a reason: POST /signals/{signal_id}/decisions.",
    Status.ACCEPTED: (
        "Its thematic review was commissioned where somebody was named who leads it; else commission one with this"
        " signal_id: POST /themes of review."
        " It comes back by itself if it begins again after it was quiet."
    ),
    Status.MERGED: "What is found from here on goes to the signal it was merged into.",
    Status.DISMISSED: "It comes back by itself, and says why, if enough happens since.",
}

_TEMPLATES = {
    PatternKind.PERSON: "{seen} times {category} for the same person within {window_days} days; {needed} are enough to look.",
    PatternKind.PLACE: (
        "{seen} times {category} at one place in {window_days} days, where {expected} were to be expected by its"
        " history, its peers and how much care it gave."
    ),
    PatternKind.RATE: (
        "The rate of {category} has changed to {rule} since {since}: {seen}, where {expected} were to be expected by the"
        " time before and how much care there was."
    ),
    PatternKind.CLUSTER: (
        "{seen} of {of} times {category} at one place share {what}; by the other places {expected} were to be expected."
    ),
    PatternKind.THEME: (
        "{seen} times {category} with {what} at {locations} services in {window_days} days, where {expected} were to be"
        " expected by the time before."
    ),
    PatternKind.WORDING: (
        "The same words of an action for {seen} incidents in {window_days} days, {weak} of {actions} of them only asking"
        " people to remember."
    ),
    PatternKind.PRECURSOR: (
        "{seen} lesser events before a serious one: {category}, the same place, {window_days} days; {expected} were to be"
        " expected."
    ),
    PatternKind.THRESHOLD: (
        "{seen} times {category} in one {scope} within {window_days} days; {needed} are enough by your rule {rule}."
    ),
}
_TRAITS = {
    Trait.FACTOR: "the factor",
    Trait.SHIFT: "the shift",
    Trait.TIME: "the time of day",
    Trait.MEDICINE: "the sort of medicine",
    Trait.EQUIPMENT: "the equipment",
    Trait.STAFF_GROUP: "the staff group",
}


def sentence(signal: Explained) -> str:
    """One sentence with the figures that decided."""
    trait = None if signal.trait is None else Trait(signal.trait)
    what = "" if trait is None else f"{_TRAITS.get(trait, trait)} {_plain(signal.code)}"
    known = {
        "category": _plain(signal.category) if signal.category else "incidents",
        "what": what,
        "rule": _plain(signal.rule),
        "locations": signal.locations,
    }
    figures = {name: _plain(value) if name == "unit" else value for name, value in signal.figures.items()}
    text = _TEMPLATES[PatternKind(signal.kind)].format_map({**known, **figures})
    if (usual := signal.figures.get("expected")) is not None and signal.kind == PatternKind.PERSON:
        text += f" By the type, the place and the person's own past {usual} were to be expected."
    if (others := signal.figures.get("all_others")) is not None:
        text += f" Everything else was reported {others} times as often as before."
    if (along := signal.figures.get("along_with")) is not None:
        trait_of, _, code = along.partition(":")
        text += f" With it goes {_TRAITS[Trait(trait_of)]} {_plain(code)}: {signal.figures['along_with_share']}."
    chance = signal.figures.get("chance")
    if chance is not None:
        text += f" By chance alone that happens with a probability of {chance}."
    if signal.figures.get("volume"):
        text += " This is a volume, not a rate."
    return text


def _plain(code: Any) -> str:
    return str(code).replace("_", " ")
