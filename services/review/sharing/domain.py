"""The rules of sharing: pure, no I/O."""


def reach_percent(understood: int, audience: int) -> int:
    """The share of an audience that understood, rounded down. An audience is never empty."""
    return understood * 100 // audience


def is_reached(understood: int, audience: int, target_percent: int) -> bool:
    """Whether enough of an audience understood."""
    return understood * 100 >= target_percent * audience
