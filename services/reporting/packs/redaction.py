"""What may leave the provider: people as roles, and text only where the role that builds the pack may take it out."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict

from services.contracts.taxonomy import Role

Kind = Literal["narrative", "review", "action", "safeguarding"]

_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_TELEPHONE = re.compile(r"(?<![\w-])(?:\+44\s?|0)(?:[\s()-]*\d){9,10}(?![\w-])")


class RedactionPolicy(BaseModel):
    """A version of which role may take out which kind of text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    texts: Mapping[Kind, tuple[Role, ...]]


@cache
def shipped() -> RedactionPolicy:
    """The policy that is used."""
    path = Path(__file__).parent / "policies" / "redaction.yaml"
    return RedactionPolicy.model_validate(yaml.safe_load(path.read_text()))


@dataclass(frozen=True)
class Redactor:
    """Covers what may not leave. `names` are the provider's people with the role that stands for each.

    Where the role may not read who they are, nothing can be covered, and no text leaves at all.
    """

    role: str
    names: Mapping[str, str] | None

    def may(self, kind: Kind) -> bool:
        """Whether the role may take out this kind of text."""
        return self.names is not None and self.role in shipped().texts[kind]

    def text(self, kind: Kind, text: str | None) -> str | None:
        """The text with names, mail and telephones covered; None where the role may not take it out."""
        if text is None or self.names is None or not self.may(kind):
            return None
        text = _TELEPHONE.sub("[telephone]", _MAIL.sub("[mail]", text))
        pattern = _pattern(tuple(sorted(self.names, key=len, reverse=True)))
        if pattern is None:
            return text
        by_name = {name.casefold(): role for name, role in self.names.items()}
        return pattern.sub(lambda found: f"[{by_name[' '.join(found[0].casefold().split())]}]", text)


@cache
def _pattern(names: tuple[str, ...]) -> re.Pattern[str] | None:
    if not names:
        return None
    # A whole name is covered however it is written; a part of one only as a name is: "mark" is a word.
    spaced = {name: r"\s+".join(re.escape(part) for part in name.split()) for name in names}
    words = (f"(?i:{spaced[name]})" if " " in name else spaced[name] for name in names)
    return re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)")


def names_of(people: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The names to cover: each person's whole name and its parts, but not words that are a role's."""
    roles = {part for role in Role for part in role.split("_")}
    found: dict[str, str] = {}
    for person in people:
        stands = person["roles"][0]["role"].replace("_", " ") if person["roles"] else "somebody"
        name = " ".join(person["display_name"].split())
        if not name or roles & set(name.lower().split()):
            continue  # nobody's any more; or a post, such as "Registered manager of Alder House", is no name
        found[name] = stands
        for part in name.split():
            if len(part) > 2:
                found.setdefault(part, stands)
    return found
