"""How a sample is drawn: pure, and so simple that anybody can draw it again."""

import hashlib


def drawn(seed: str, frame_size: int, size: int) -> list[int]:
    """The places, from 1, of a simple random sample without repetition, in rising order.

    Each place is given the SHA-256 of "SEED:PLACE" in hexadecimal; those with the smallest are the sample. A larger
    sample of the same seed and frame holds the smaller one.
    """
    order = sorted(range(1, frame_size + 1), key=lambda place: hashlib.sha256(f"{seed}:{place}".encode()).hexdigest())
    return sorted(order[:size])
