"""The rules of sharing: pure, no I/O."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from services.contracts.taxonomy import Verdict

MAX_OPTIONS = 5
MAX_QUESTIONS = 10


class Group(StrEnum):
    """People who are seldom there when a team talks about what it learned."""

    NIGHTS = "nights"
    BANK_AND_AGENCY = "bank_and_agency"
    NEW_STARTERS = "new_starters"


# What is written.


@dataclass(frozen=True)
class Question:
    """A question that shows whether a briefing was understood. `correct` is the place of the right answer, from 0."""

    question: str | None
    options: Sequence[str]
    correct: int | None
    explanation: str | None = None


@dataclass(frozen=True)
class Audience:
    """What the writer adds to the audience that the policy asks for.

    `location_types` leaves out locations that are known to be of other types. A location counts once somebody there
    understood; with `people_percent` so many of those expected there, and with `groups` somebody of each that works there.
    """

    everywhere: bool = False
    regions: Sequence[str] = ()
    location_types: Sequence[str] = ()
    roles: Sequence[str] = ()
    groups: Sequence[str] = ()
    people_percent: int | None = None


@dataclass(frozen=True)
class BriefingDraft:
    """What other teams will read, and the questions that show whether it was understood.

    `learning` are places of the learning it shares, counted from 0; none means all of it.
    """

    summary: str | None
    what_changes: str | None
    question: str | None
    options: Sequence[str]
    correct: int | None
    explanation: str | None = None
    for_whom: str | None = None
    learning: Sequence[int] = ()
    more_questions: Sequence[Question] = ()
    audience: Audience = Audience()
    abbreviations: Sequence[str] = ()

    @property
    def pool(self) -> list[Question]:
        """Every question, the first one first."""
        return [Question(self.question, self.options, self.correct, self.explanation), *self.more_questions]


def read_draft(stored: Mapping[str, Any]) -> BriefingDraft:
    """A draft from what is stored; an older one holds less."""
    values = dict(stored)
    values["more_questions"] = [Question(**one) for one in values.get("more_questions", ())]
    values["audience"] = Audience(**(values.get("audience") or {}))
    return BriefingDraft(**values)


Problem = tuple[str, str, str]
"""Field, message, remedy."""


def problems(draft: BriefingDraft, learning: int) -> Iterator[Problem]:
    """What a briefing still lacks. `learning` is how many things were learned."""
    for field in ("summary", "what_changes"):
        if getattr(draft, field) is None:
            yield field, "is missing", "Fill it in."
    for place, question in enumerate(draft.pool):
        yield from _question(question, "" if place == 0 else f"more_questions.{place - 1}.")
    if any(place >= learning for place in draft.learning):
        yield "learning", "names learning that is not there", "Give places in the list of learning, counted from 0."
    for field, sign, _ in identifying(draft):
        if sign.names_somebody:
            yield (
                field,
                f"seems to name somebody: {sign.words}",
                "Write 'a resident', 'a worker', 'a relative'. An abbreviation that is no person goes into abbreviations.",
            )


def _question(question: Question, prefix: str) -> Iterator[Problem]:
    if question.question is None:
        yield f"{prefix}question", "is missing", "Fill it in."
    if not 2 <= len(set(question.options)) == len(question.options) <= MAX_OPTIONS:
        yield (
            f"{prefix}options",
            f"must be 2 to {MAX_OPTIONS} different answers",
            "Give the right answer and at least one wrong one that people really believe.",
        )
    if question.correct is None or question.correct >= len(question.options):
        yield (
            f"{prefix}correct",
            "is not the place of an option",
            "Give the place of the right answer among the options, counted from 0.",
        )


# Nobody is named.


class Sign(StrEnum):
    """What may tell a reader who it was. It points; it cannot know every name."""

    INITIALS = "initials"
    NAME = "name"
    REFERENCE = "reference"
    GENDER = "gender"
    DATE = "date"
    PLACE = "place"
    FIRST_NAME = "first_name"

    @property
    def names_somebody(self) -> bool:
        """Whether it names one person, which never belongs into a briefing."""
        return self in (Sign.INITIALS, Sign.NAME, Sign.REFERENCE)

    @property
    def words(self) -> str:
        """What was found, in words that repeat nothing of it."""
        return _WORDS[self]


_WORDS = {
    Sign.INITIALS: "two capital letters that look like initials",
    Sign.NAME: "a title with a name",
    Sign.REFERENCE: "the reference of a person",
    Sign.GENDER: "a word that says whether it was a man or a woman",
    Sign.DATE: "a date",
    Sign.PLACE: "the name of the place, or a room",
    Sign.FIRST_NAME: "a word that is often a first name",
}
_KNOWN = frozenset(
    [
        "AM",
        "BP",
        "CD",
        "CO",
        "GP",
        "HR",
        "ID",
        "IM",
        "IT",
        "IV",
        "LA",
        "LD",
        "MH",
        "NG",
        "NI",
        "OK",
        "OT",
        "PM",
        "QA",
        "RN",
        "SC",
        "TB",
        "TV",
        "UK",
        "UV",
        "VR",
    ]
)
"""Abbreviations of the field with two letters: never taken for initials."""
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_TITLED = re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Sir|Lady|Nurse|Sister)\.? [A-Z][a-z]+")
_CAPITAL = re.compile(r"\b[A-Z][a-z]+\b")
_SIGNS = (
    (Sign.INITIALS, re.compile(r"\b(?:[A-Z]\.\s?[A-Z]\.?|[A-Z]{2})(?![A-Za-z0-9])")),
    (Sign.NAME, _TITLED),
    (Sign.REFERENCE, re.compile(r"\bP\d{1,3}\b|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")),
    (Sign.GENDER, re.compile(r"\b(?:he|she|him|her|hers|his|himself|herself|man|woman|gentleman|lady)\b", re.IGNORECASE)),
    (Sign.DATE, re.compile(rf"\b\d{{1,2}}(?:st|nd|rd|th)? (?:{_MONTHS})\b|\b\d{{1,2}}[/.]\d{{1,2}}[/.]\d{{2,4}}\b|\b\d{{4}}-\d\d-\d\d\b")),
    (Sign.PLACE, re.compile(r"\b(?:room|flat|bed|unit) \d+", re.IGNORECASE)),
)  # fmt: skip

_NAMES = frozenset(
    """
    Aaron Abdul Abigail Adam Adrian Agnes Ahmed Aisha Alan Albert Alec Alex Alexander Alexandra Alfred Ali Alice
    Alison Amanda Amina Amy Andrea Andrew Angela Anita Ann Anna Anne Annie Anthony Antonio Archie Arthur Audrey
    Barbara Barry Beatrice Ben Benjamin Bernard Beryl Beth Betty Beverley Brenda Brian Bridget Bruce Callum Cameron
    Carl Carol Caroline Catherine Cecil Charles Charlie Charlotte Chidi Chloe Chris Christina Christine Christopher
    Claire Clara Clare Clifford Clive Colin Connor Craig Cynthia Daniel Danielle Danuta Darren Dave David Debbie
    Deborah Deepak Denis Dennis Derek Diana Diane Donald Donna Doreen Doris Dorothy Douglas Duncan Edith Edna Edward
    Eileen Elaine Eleanor Elizabeth Ella Ellen Elsie Emily Emma Emmanuel Eric Ernest Esther Ethan Ethel Eva Evelyn
    Fatima Fiona Florence Frances Francis Fred Frederick Gareth Gary Geoffrey George Georgina Gerald Geraldine
    Gillian Gladys Glenys Gloria Gordon Graham Gwen Hannah Harold Harriet Harry Hassan Helen Henry Hilary Hilda
    Howard Hugh Ian Ibrahim Irene Isaac Isabel Isabella Ivan Jacob Jacqueline James Jamie Jane Janet Janice Jasmine
    Jason Jean Jeffrey Jennifer Jenny Jeremy Jessica Jessie Jim Jimmy Joan Joanna Joanne Joe John Jonathan Jordan
    Jose Joseph Josephine Joshua Joyce Judith Judy Julia Julian Julie Karen Karl Kate Katherine Kathleen Kathryn
    Katie Kay Keith Kelly Kenneth Kevin Kieran Kim Krystyna Kyle Laura Lauren Laurence Lee Leo Leonard Lesley Leslie
    Lewis Liam Lilian Linda Lisa Liz Lorraine Louis Louise Lucy Luke Lynda Lynn Mabel Magdalena Malcolm Marcus
    Margaret Maria Marian Marie Marilyn Marion Marjorie Marlene Martha Martin Mary Matthew Maud Maureen Maurice
    Megan Melanie Michael Michelle Mike Mildred Miriam Mohamed Mohammad Mohammed Moira Molly Monica Muhammad Muriel
    Nadia Nancy Naomi Natalie Natasha Nathan Neil Nicholas Nicola Nigel Nina Noel Nora Norma Norman Olga Oliver
    Olivia Omar Oscar Owen Pamela Patricia Patrick Paul Paula Pauline Peter Philip Phyllis Pierre Piotr Priya Rachel
    Raj Rajesh Ralph Raymond Rebecca Reginald Rhys Richard Rita Robert Robin Roger Ronald Rosemary Ross Roy Rupert
    Russell Ruth Ryan Sally Sam Samantha Samuel Sandra Sanjay Sarah Scott Sean Shane Sharon Sheila Shirley Sidney
    Simon Sophia Sophie Stanley Stella Stephanie Stephen Steve Steven Stuart Sunita Susan Suzanne Sybil Sylvia Tanya
    Terence Teresa Terry Thelma Theresa Thomas Tim Timothy Tina Tom Tony Tracey Tracy Trevor Usha Valerie Vanessa
    Vera Vincent Vivian Walter Wendy Wilfred William Winifred Yasmin Yusuf Yvonne Zainab Zara Zoe
    """.split()  # noqa: SIM905 - a list of words to read
)
"""First names that are common in England: a list for pointing at, never complete, of nobody in particular."""
_WORDS_TOO = frozenset(
    """
    Amber Art Bill Bob Daisy Dawn Dean Dick Earnest Eve Faith Frank Gene Ginger Grace Grant Guy Hazel Heather Holly
    Hope Iris Ivy Jack Jade Joy Lance Lily Mark Miles Nick Olive Pat Patience Pearl Penny Poppy Ray Rob Rod Rose
    Ruby Rusty Sue Summer Victor Violet Wade Will Willow
    """.split()  # noqa: SIM905 - a list of words to read
)
"""Names that are words as well: where a sentence begins they are taken for words."""


def identifying(draft: BriefingDraft, place_name: str | None = None) -> list[tuple[str, Sign, str]]:
    """Field, sign and the writer's own words, for everything in a briefing that may tell who it was."""
    known = _KNOWN | {one.upper() for one in draft.abbreviations}
    return [
        (field, sign, quote)
        for field, text in _texts(draft)
        for sign, quote in _signs(text, place_name)
        if sign is not Sign.INITIALS or quote.upper() not in known
    ]


def _signs(text: str, place_name: str | None) -> Iterator[tuple[Sign, str]]:
    for sign, pattern in _SIGNS:
        yield from ((sign, match) for match in dict.fromkeys(pattern.findall(text)))
    titled = " ".join(_TITLED.findall(text))
    found = (match for match in _CAPITAL.finditer(text) if _is_first_name(match, text) and match[0] not in titled)
    yield from ((Sign.FIRST_NAME, name) for name in dict.fromkeys(match[0] for match in found))
    if place_name and place_name.lower() in text.lower():
        yield Sign.PLACE, place_name


def _is_first_name(match: re.Match[str], text: str) -> bool:
    """A name of the list; one that is a word too counts only inside a sentence."""
    begins = text[: match.start()].rstrip()[-1:] in ("", ".", "!", "?", ":")
    return match[0] in _NAMES or (match[0] in _WORDS_TOO and not begins)


def _texts(draft: BriefingDraft) -> Iterator[tuple[str, str]]:
    parts: list[tuple[str, str | None]] = [
        ("summary", draft.summary), ("what_changes", draft.what_changes), ("for_whom", draft.for_whom),
    ]  # fmt: skip
    for place, one in enumerate(draft.pool):
        prefix = "" if place == 0 else f"more_questions.{place - 1}."
        parts += [(f"{prefix}question", one.question), (f"{prefix}explanation", one.explanation)]
        parts += [(f"{prefix}options", option) for option in one.options]
    yield from ((field, text) for field, text in parts if text is not None)


# The check.


def draw(seed: str, pool: int, attempt: int) -> int:
    """Which question of the pool is asked at an attempt, counted from 0: by chance, but the same each time it is asked.

    Each attempt has another question until all were asked once.
    """
    order = sorted(range(pool), key=lambda place: sha256(f"{seed}:{place}".encode()).digest())
    return order[attempt % pool]


# Routes, and what is asked later.


class Route(StrEnum):
    """How learning reached a team."""

    TEAM_MEETING = "team_meeting"
    SUPERVISION = "supervision"
    TRAINING = "training"
    PRACTICE_GUIDANCE = "practice_guidance"
    INTERNAL_COMMUNICATION = "internal_communication"
    SAFETY_ALERT = "safety_alert"

    @property
    def meets(self) -> bool:
        """Whether people meet: then the proof is how many were there, else a reference."""
        return self in (Route.TEAM_MEETING, Route.SUPERVISION, Route.TRAINING)


class AnswerKind(StrEnum):
    """What a location answers to an adoption check."""

    COUNT = "count"
    CONFIRMATION = "confirmation"


def sample(seed: str, ids: Collection[str], percent: int, at_least: int) -> list[str]:
    """Who is asked again: a share of them by chance, but the same each time; all of them when they are few."""
    wanted = max(at_least, -(-len(ids) * percent // 100))
    return sorted(ids, key=lambda one: sha256(f"{seed}:{one}".encode()).digest())[:wanted]


def reminder(due_at: datetime, now: datetime, every: timedelta) -> int:
    """How many reminders of something due are called for by now: the first when it is due."""
    return 0 if now < due_at else 1 + (now - due_at) // every


# The library.


@dataclass(frozen=True)
class Likeness:
    """What one can compare of two cases: type, elements of the factors, and words as their stems."""

    category: str | None
    factors: frozenset[str]
    words: frozenset[str]


FEW_WORDS = 3
"""So many words in common are chance."""


def likeness(one: Likeness, other: Likeness) -> tuple[float, list[str]]:
    """How alike two cases are, and why, in words. 0 when nothing but chance joins them."""
    reasons, score = [], 0.0
    if one.category is not None and one.category == other.category:
        reasons.append(f"same type: {one.category}")
        score += 2.0
    factors = sorted(one.factors & other.factors)
    if factors:
        reasons.append(f"same factors: {', '.join(factors)}")
        score += len(factors) / len(one.factors | other.factors)
    words = sorted(one.words & other.words)
    if len(words) > FEW_WORDS:
        reasons.append(f"same words: {', '.join(words)}")
        score += len(words) / max(1, min(len(one.words), len(other.words)))
    return score, reasons


def state_of(state: str, verdict: str | None) -> str:
    """How far an action is: open, done, verified, effective or cancelled. Effective: verified, and the effect stayed."""
    return "effective" if state == "verified" and verdict == Verdict.SUSTAINED else state


# Reflective supervision.


def prompts(what_changes: str) -> list[str]:
    """What to reflect on together, from what was learned."""
    return [
        "When did something like this nearly happen in your work, and what made it likely?",
        f"What helps you, and what stands in your way, when you do this: {what_changes}",
        "What would you do differently on your next shift, and what do you need for it?",
        "What should somebody who was not there know about it?",
    ]


# Reach.


@dataclass(frozen=True)
class Expected:
    """One of the audience at a location."""

    understood: bool
    groups: Collection[Group] = ()


def location_understood(anybody: bool, people: Sequence[Expected], audience: Audience) -> bool:
    """Whether a location counts. `anybody`: somebody there gave a right answer, expected or not."""
    if not anybody:
        return False
    understood = [one for one in people if one.understood]
    percent = audience.people_percent
    if percent is not None and people and not is_reached(len(understood), len(people), percent):
        return False
    there = {group for one in people for group in one.groups}
    reached = {group for one in understood for group in one.groups}
    return all(group in reached for group in map(Group, audience.groups) if group in there)


def reach_percent(understood: int, audience: int) -> int:
    """The share of an audience that understood, rounded down. An audience is never empty."""
    return understood * 100 // audience


def is_reached(understood: int, audience: int, target_percent: int) -> bool:
    """Whether enough of an audience understood."""
    return understood * 100 >= target_percent * audience
