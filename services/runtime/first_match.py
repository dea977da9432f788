"""Rules of which the first that fits decides: which of them are never reached, and what fits none.

A condition is a box: for some dimensions, the values that fit; a dimension that is left out fits whatever its value.
"""

from collections.abc import Hashable, Mapping, Sequence

Box = Mapping[str, frozenset[Hashable]]


def left(box: Box, earlier: Sequence[Box], space: Box) -> list[Box]:
    """The parts of a box that no earlier box covers, apart from one another; nothing when it is covered."""
    parts: list[Box] = [{name: box.get(name, values) for name, values in space.items()}]
    for taken in earlier:
        parts = [rest for part in parts for rest in _without(part, taken)]
    return parts


def meet(one: Box, other: Box) -> Box | None:
    """What is in both, or None."""
    both = {name: values & other.get(name, values) for name, values in one.items()}
    return both if all(both.values()) else None


def _without(part: Box, taken: Box) -> list[Box]:
    if meet(part, taken) is None:
        return [part]
    rest: list[Box] = []
    inside = dict(part)
    for name, values in taken.items():
        outside = inside[name] - values
        if outside:
            rest.append({**inside, name: outside})
        inside[name] = inside[name] & values
    return rest


def example(box: Box, space: Box) -> str:
    """One thing in a box, in words, by what sets it apart from everything."""
    said = [f"{name} {min(map(str, values))}" for name, values in box.items() if values != space[name]]
    return ", ".join(said) or "anything"
