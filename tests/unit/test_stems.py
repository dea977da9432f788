"""Words are taken to their stems in many threads at once: each request has one."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.actions.strength.wording import gist
from services.review.gate import _stems

WORDS = (
    "Medicines reconciled nationally, conditional observations, unplugged mats, generously rewarded carers, knitting"
)


@pytest.mark.parametrize("taken", [gist, _stems], ids=["actions", "review"])
def test_threads_do_not_mix_up_one_anothers_words(taken: Callable[[str], Any]) -> None:
    texts = [" ".join(WORDS.split()[n:] + WORDS.split()[:n]) * (n + 1) for n in range(8)]
    alone = [taken(text) for text in texts]
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(taken, texts * 40)) == alone * 40
    finally:
        sys.setswitchinterval(usual)
