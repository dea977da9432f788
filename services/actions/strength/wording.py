"""What an action says, put so that the same thing said twice is found: without filler, without endings, in any order."""

import re

from snowballstemmer import stemmer

FILLER = frozenset(
    [
        "a",
        "about",
        "again",
        "all",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "been",
        "before",
        "by",
        "care",
        "carer",
        "carers",
        "each",
        "ensure",
        "every",
        "for",
        "from",
        "has",
        "have",
        "in",
        "is",
        "it",
        "make",
        "member",
        "members",
        "must",
        "need",
        "needs",
        "of",
        "on",
        "our",
        "should",
        "so",
        "staff",
        "sure",
        "team",
        "teams",
        "that",
        "the",
        "their",
        "them",
        "they",
        "this",
        "those",
        "to",
        "was",
        "were",
        "when",
        "who",
        "will",
        "with",
        "within",
    ]
)
"""Words that tell one reminder from another no better than the spaces between."""


def gist(wording: str) -> str:
    """The stems of the words that carry it, sorted; numbers and dates left out. Empty if nothing is left."""
    words = [word for word in re.findall(r"[a-z]+", wording.casefold()) if word not in FILLER and len(word) > 1]
    # A stemmer keeps the word it is at in itself, so that each thread needs its own; to make one costs microseconds.
    return " ".join(sorted(set(stemmer("english").stemWords(words))))
