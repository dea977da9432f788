"""The quality gate: points at what makes a review weak, with the words it means and what would help. Pure, no I/O.

It reads words, it does not understand them: so it points out and never changes or refuses a text. What it looks for are
the weaknesses that inspectors name (cause thinner than the event, focus on one person, learning that answers nothing,
people reminded again). How often it is right is measured: `python -m tests.evaluation.gate`.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from snowballstemmer import stemmer

from services.contracts.taxonomy import Seips
from services.review.domain import Draft, Factor
from services.review.records.domain import Kept, Record, missing


class Weakness(StrEnum):
    """What is pointed out."""

    ONLY_INDIVIDUAL = "only_individual"
    BLAME = "blame"
    THIN_CAUSE = "thin_cause"
    UNCONNECTED_LEARNING = "unconnected_learning"
    REMINDER_ONLY = "reminder_only"
    UNANSWERED = "unanswered_question"
    MISSING_RECORD = "missing_record"
    UNLINKED_LEARNING = "unlinked_learning"


@dataclass(frozen=True)
class Finding:
    """One thing to look at again. `quote` is the reviewer's own words; empty where something is missing."""

    weakness: Weakness
    field: str
    quote: str
    message: str
    remedy: str


def findings(draft: Draft, *, repeat: bool) -> list[Finding]:
    """What a careful reader would ask about. `repeat`: the same type happened at this place before."""
    return [
        *_only_individual(draft),
        *_blame(draft),
        *_thin_cause(draft),
        *_unconnected_learning(draft),
        *(_reminder_only(draft) if repeat else ()),
    ]


def unanswered(asked: Sequence[str], answered: Collection[str]) -> list[Finding]:
    """The method's questions that have neither an answer nor a reason why they do not apply."""
    return [
        Finding(
            Weakness.UNANSWERED, f"answers.{question}", "",
            "This question of the method is not answered.",
            "Answer it, or say why it does not apply here.",
        )
        for question in asked if question not in answered
    ]  # fmt: skip


def unanswered_terms(asked: Mapping[str, str], answered: Collection[str]) -> list[Finding]:
    """The questions of a theme's terms, by id, that have neither."""
    return [
        Finding(
            Weakness.UNANSWERED, f"answers.{question}", words,
            "This question of the terms is not answered.",
            "Answer it, or say why it does not apply any more.",
        )
        for question, words in asked.items() if question not in answered
    ]  # fmt: skip


def missing_records(needed: Sequence[Record], kept: Kept) -> list[Finding]:
    """The records that the method needs and the review does not have."""
    return [Finding(Weakness.MISSING_RECORD, gap.field, "", gap.message, gap.remedy) for gap in missing(needed, kept)]


def unlinked_learning(draft: Draft) -> list[Finding]:
    """Learning that is linked to neither a factor nor a root cause, whatever its words."""
    return [
        Finding(
            Weakness.UNLINKED_LEARNING, f"learning.{place}.statement", learning.statement,
            "This learning is linked to no factor and to no root cause.",
            "Link it to the factor or the cause that it follows from, or say why none of them led to it.",
        )
        for place, learning in enumerate(draft.learning)
        if learning.answers_factor is None and learning.answers_cause is None
    ]  # fmt: skip


# Words.

_STOP = frozenset(
    re.findall(
        r"\w+",
        "a about after again all also although am an and any are as at away back be because been before being both but by"
        " came can could day did do does done down during each even every few first for found from further get go got had has"
        " have he her here him his how i if in into is it its just last left like made many may me more morning most much must"
        " my next night no nobody none nor not nothing now of off on once one only or other our out over own same said saw she"
        " should since so some still such than that the their them then there these they this those through time to today"
        " told too two under until up us very was we went were what when where which while who whole why will with within"
        " would yet you your",
    )
)


def _stems(text: str | None) -> set[str]:
    words = [word for word in re.findall(r"[a-z]{2,}", (text or "").lower()) if word not in _STOP]
    # A stemmer keeps the word it is at in itself, so that each thread needs its own; to make one costs microseconds.
    return set(stemmer("english").stemWords(words))


def _sentences(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+|\n+", text) if part.strip()]


# Only one person.


def _only_individual(draft: Draft) -> Iterator[Finding]:
    only = bool(draft.factors) and all(_lies_in_a_person(factor) for factor in draft.factors)
    if only and draft.only_person_reason is None:
        yield Finding(
                Weakness.ONLY_INDIVIDUAL, "factors", "",
                "Every factor lies in a person.",
                "Ask what made this the likely thing to do: the task, the equipment, the rota, the place. Add what you"
                " find, or say why nothing there contributed.",
            )  # fmt: skip


def _lies_in_a_person(factor: Factor) -> bool:
    """By its element, or because it begins with who it was, whatever element it was filed under."""
    return factor.element is Seips.PERSON or bool(re.match(r"[A-Z]{2}\b|S?[Hh]e\b", factor.description or ""))


# Blame.

_PERSON = (
    r"(?:she|he|they|staff|carers?|nurses?|workers?|managers?|seniors?|colleagues?|agency|team|member|lead|driver|cook|"
    r"domestic|[A-Z]{2})"
)
_BLAME = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:careless(?:ness|ly)?|negligen(?:t|ce|tly)|laz(?:y|iness)|incompeten(?:t|ce)|sloppy|stupid(?:ity)?|reckless(?:ly)?)\b",
        r"\bshould (?:really |clearly |simply )?have (?:known|realised|realized|noticed|checked|thought|remembered|paid|been more|taken more)\b",
        r"\bought to have\b",
        r"\b(?:human|staff|carer|individual|operator|nurse|worker|his|her|their own) error\b",
        r"\b(?:poor|bad|wrong) (?:attitude|work ethic|judgement|judgment)\b",
        r"\b(?:was|were|is|are|entirely|solely|clearly) (?:at fault|to blame|responsible for (?:the|this))\b",
        r"\b(?:her|his|their) (?:own )?(?:fault|failure|mistake|negligence|carelessness|inattention|complacency)\b",
        r"\b(?:could ?n[o']t|did ?n[o']t|does ?n[o']t|not) (?:be bothered|bother(?:ed)? to|care enough)\b",
        r"\b(?:lack of|no) (?:common sense|care and attention|professionalism|pride)\b",
        r"\bcommon sense\b",
        r"\b(?:inexcusable|unacceptable behaviour|no excuse|unprofessional)\b",
        r"\bone would (?:have )?(?:hoped?|expect(?:ed)?|thought)\b|\bnever bothers?\b|\bshould not need (?:a|to be)\b",
        r"\bnot paying attention\b|\bpaid no attention\b|\binattentive\b",
    )
]
_FAILED = re.compile(rf"\b{_PERSON}\b[^.;']{{0,12}}\b(?:failed (?:to|in)|neglected (?:to|her|his|their)|ignored)\b")
_FAIR = re.compile(
    r"\b(?:no(?:body|t| one)?|never|without|nor|neither|rather than|instead of)\b[^.;]{0,30}$", re.IGNORECASE
)
_QUOTED = re.compile(r"[\"“”][^\"“”]*[\"“”]|(?<!\w)['‘][^'’]*['’](?!\w)")


def _blame(draft: Draft) -> Iterator[Finding]:
    for field, text in _texts(draft):
        own = _QUOTED.sub(lambda quoted: " " * len(quoted[0]), text)
        for sentence in _sentences(own):
            found = next((m for p in (*_BLAME, _FAILED) if (m := p.search(sentence))), None)
            if found is not None and not _FAIR.search(sentence[: found.start()]):
                yield Finding(
                    Weakness.BLAME, field, found[0].strip(),
                    "This may read as blame.",
                    "Say what the person saw and had to work with at that moment, and why it made sense to them.",
                )  # fmt: skip
                break


def _texts(draft: Draft) -> Iterator[tuple[str, str]]:
    yield from ((name, text) for name in ("what_happened", "why") if (text := getattr(draft, name)))
    yield from ((f"factors.{n}.description", f.description) for n, f in enumerate(draft.factors) if f.description)
    yield from ((f"learning.{n}.statement", learning.statement) for n, learning in enumerate(draft.learning))
    yield from ((f"root_causes.{n}.statement", cause.statement) for n, cause in enumerate(draft.root_causes))
    for n, chain in enumerate(draft.five_whys):
        yield from ((f"five_whys.{n}.whys.{place}", why) for place, why in enumerate(chain.whys))
    yield from ((f"barriers.{n}.why", barrier.why) for n, barrier in enumerate(draft.barriers) if barrier.why)
    if draft.only_person_reason:
        yield "only_person_reason", draft.only_person_reason


# A cause section that says little.

THIN_SHARE = 0.4
"""Of the content words of the event."""
THIN_WORDS = 12
"""So many content words say enough of a cause, whatever the event's length."""
NEW_SHARE = 0.45
"""Of the cause's own content words: a cause with fewer that are new retells the event."""


def _thin_cause(draft: Draft) -> Iterator[Finding]:
    event, cause = _stems(draft.what_happened), _stems(draft.why)
    described = set().union(*(_stems(factor.description) for factor in draft.factors)) if draft.factors else set()
    if not event:
        return
    told = cause | (described if cause else set())
    if len(cause) < THIN_WORDS and len(cause) < THIN_SHARE * len(event):
        message = "The cause section is much thinner than the event section."
    elif cause and len(cause - event) < NEW_SHARE * len(cause) and len(told - event) < THIN_WORDS:
        message = "The cause section says little that the event section has not said."
    else:
        return
    yield Finding(
        Weakness.THIN_CAUSE, "why", "", message,
        "Ask why once more for each step: what set it up, and what would have had to be different?",
    )  # fmt: skip


# Learning that answers nothing.


def _unconnected_learning(draft: Draft) -> Iterator[Finding]:
    for place, learning in enumerate(draft.learning):
        known = learning.answers_factor
        answered = draft.factors if known is None or known >= len(draft.factors) else [draft.factors[known]]
        causes = set().union(*(_stems(factor.description) for factor in answered)) if answered else set()
        causes |= _stems(draft.why)
        if learning.answers_cause is not None and learning.answers_cause < len(draft.root_causes):
            causes |= _stems(draft.root_causes[learning.answers_cause].statement)
        if not _stems(learning.statement) & causes:
            yield Finding(
                Weakness.UNCONNECTED_LEARNING, f"learning.{place}.statement", learning.statement,
                "This learning shares no word with the cause it answers.",
                "Say which cause it answers, or which factor led to it.",
            )  # fmt: skip


# Reminding again.

_REMINDER = re.compile(
    r"\bremind\w*|\bre-?train\w*|\brefresher|\btraining\b|\bre-?read|\bread and sign|\bsign (?:the|to say)|\bmore (?:careful|vigilant|aware)"
    r"|\bvigilan\w+|\bawareness\b|\breflect\w*|\bsupervision\b|\bspoken to\b|\bspeak to\b|\bbe told\b|\bwere told\b"
    r"|\bdiscuss\w*|\bmemo\b|\be-?mail\w*|\btoolbox talk|\bteam meeting|\bhandover talk|\bfollow (?:the )?(?:policy|procedure)"
    r"|\bimportance of\b|\bmust (?:always )?(?:remember|check|follow|read|ensure|make sure)|\btake (?:more )?care\b"
    r"|\bensure (?:that )?(?:all )?staff\b|\ball staff (?:to|must|should|need)\b|\bdouble[- ]check",
    re.IGNORECASE,
)
_CHANGE = re.compile(
    r"\breplac\w+|\bredesign\w*|\bremov\w+|\binstall\w*|\balarm\w*|\bbarcode|\block\w*|\bautomat\w+|\bprotected\b|\bsecond person\b"
    r"|\btwo (?:people|staff)\b|\bstaffing\b|\brota\b|\bchecklist\b|\btemplate\b|\blabel\w*|\bcolour|\bmov(?:e|ed|ing) the\b"
    r"|\bnew (?:form|system|chart|equipment|process|step)\b|\bforcing\b|\bprompt\w*|\bbuilt into\b|\bone (?:chart|place|list)\b"
    r"|\bpharmac\w+|\bsensor\w*|\brepair\w*|\bstandardis\w+|\bchang(?:e|ed|ing) the\b|\bcannot be\b|\bonly (?:one|when|after)\b",
    re.IGNORECASE,
)


def _reminder_only(draft: Draft) -> Iterator[Finding]:
    remedies: Sequence[str] = [learning.statement for learning in draft.learning]
    if remedies and all(_REMINDER.search(text) and not _CHANGE.search(text) for text in remedies):
        yield Finding(
            Weakness.REMINDER_ONLY, "learning", remedies[0],
            "It happened before, and the answer is again to remind, tell or train people.",
            "Look for a change that works on a busy day without anybody remembering it.",
        )  # fmt: skip
