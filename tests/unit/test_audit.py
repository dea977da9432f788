"""The audit chain: whatever is done to an exported file, except cutting it off at its end, is found and named."""

import copy
import json
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.contracts.taxonomy import Band, Consequence
from services.runtime import audit
from services.runtime.actor import Actor

CHAIN = uuid.UUID("0190aaaa-0000-7000-8000-000000000001")
ACTOR = Actor(
    id=uuid.UUID("0190aaaa-0000-7000-8000-000000000002"),
    provider_id=uuid.UUID("0190aaaa-0000-7000-8000-000000000003"),
    roles=frozenset({"registered_manager", "quality_lead"}),
)
AT = datetime(2026, 6, 8, 9, 30, 15, 250, tzinfo=UTC)

CODES = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | CODES
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(CODES, SCALARS, max_size=2)
NAMES = st.sampled_from(["band", "score", "reason_sha256", "due_at"])
DATA = st.dictionaries(NAMES, VALUES, max_size=2)
CONTENT = ("chain", "provider_id", "at", "actor", "actor_role", "action", "subject", "data")


def chain_of(contents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A chain as it is exported: through JSON, as the endpoint answers it."""
    entries: list[dict[str, Any]] = []
    previous = audit.GENESIS
    for seq, data in enumerate(contents, 1):
        entry = audit.build_entry(
            chain=CHAIN, seq=seq, previous_hash=previous, actor=ACTOR, action=f"step-{seq}", subject=CHAIN,
            at=AT + timedelta(hours=seq), data=data,
        )  # fmt: skip
        previous = entry["hash"]
        entries.append(entry | {name: audit._canonical(entry[name]) for name in ("chain", "provider_id", "at")})
    exported: list[dict[str, Any]] = json.loads(json.dumps(entries))
    return exported


CHAINS = st.lists(DATA, min_size=2, max_size=4).map(chain_of)
PLACES = st.integers(min_value=0, max_value=3)


@given(CHAINS)
def test_a_chain_as_it_was_written_holds(entries: list[dict[str, Any]]) -> None:
    assert audit.verify(entries) is None


@given(CHAINS, PLACES, st.sampled_from(CONTENT), VALUES)
def test_any_change_is_found_and_names_the_entry(
    entries: list[dict[str, Any]], place: int, field: str, value: Any
) -> None:
    place %= len(entries)
    changed = copy.deepcopy(entries)
    changed[place][field] = value
    assume(json.dumps(value, sort_keys=True) != json.dumps(entries[place][field], sort_keys=True))
    assert audit.verify(changed) == f"entry {place + 1} was changed after it was written"


@given(CHAINS, PLACES, st.data())
def test_a_change_deep_in_the_data_is_found(entries: list[dict[str, Any]], place: int, draw: st.DataObject) -> None:
    place %= len(entries)
    name = draw.draw(NAMES)
    before = json.dumps(entries[place]["data"], sort_keys=True)
    entries[place]["data"][name] = draw.draw(VALUES)
    assume(json.dumps(entries[place]["data"], sort_keys=True) != before)
    assert audit.verify(entries) == f"entry {place + 1} was changed after it was written"


@given(CHAINS, PLACES)
def test_a_changed_hash_is_found(entries: list[dict[str, Any]], place: int) -> None:
    place %= len(entries)
    entries[place]["hash"] = audit.digest(entries[place]["hash"])
    assert audit.verify(entries) == f"entry {place + 1} was changed after it was written"


@given(CHAINS, PLACES)
def test_a_changed_link_is_found(entries: list[dict[str, Any]], place: int) -> None:
    place %= len(entries)
    entries[place]["previous_hash"] = audit.digest("something else")
    assert audit.verify(entries) == f"entry {place + 1} does not follow entry {place}"


@given(CHAINS, PLACES)
def test_an_entry_that_was_taken_out_is_found(entries: list[dict[str, Any]], place: int) -> None:
    place %= len(entries) - 1
    del entries[place]
    assert audit.verify(entries) == f"entry {place + 1} is missing: entry {place + 2} came in its place"


@given(CHAINS, PLACES, PLACES)
def test_entries_that_changed_places_are_found(entries: list[dict[str, Any]], one: int, other: int) -> None:
    first, second = sorted((one % len(entries), other % len(entries)))
    assume(first != second)
    entries[first], entries[second] = entries[second], entries[first]
    assert audit.verify(entries) == f"entry {first + 1} is missing: entry {second + 1} came in its place"


@given(CHAINS, PLACES, DATA)
def test_a_forged_entry_with_a_right_hash_of_its_own_breaks_the_next(
    entries: list[dict[str, Any]], place: int, data: dict[str, Any]
) -> None:
    place %= len(entries) - 1
    forged = entries[place]
    assume(data != forged["data"])
    forged["data"] = data
    forged["hash"] = audit.entry_hash(forged["previous_hash"], forged)
    assume(forged["hash"] != entries[place + 1]["previous_hash"])
    assert audit.verify(entries) == f"entry {place + 2} does not follow entry {place + 1}"


@given(CHAINS, PLACES)
def test_a_chain_cut_off_at_its_end_holds_so_the_last_hash_must_be_known_from_elsewhere(
    entries: list[dict[str, Any]], place: int
) -> None:
    """The limit of a chain without a witness: docs/threat-model.md says so."""
    assert audit.verify(entries[: place % len(entries)]) is None


@pytest.mark.parametrize("data", [{"x": 1.5}, {"x": {"y": [1, 2.0]}}, {"x": float("nan")}, {"x": (0.1,)}])
def test_floating_point_numbers_are_refused(data: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="floating-point"):
        chain_of([data])


@given(DATA, st.randoms(use_true_random=False))
def test_the_order_of_fields_does_not_matter(data: dict[str, Any], shuffle: Any) -> None:
    (entry,) = chain_of([data])
    names = list(data)
    shuffle.shuffle(names)
    reordered = {name: entry[name] for name in reversed(entry)} | {"data": {name: data[name] for name in names}}
    assert audit.verify([reordered]) is None


def test_what_means_the_same_has_one_canonical_form() -> None:
    def hashed(**data: Any) -> str:
        return str(chain_of([data])[0]["hash"])

    known = uuid.uuid4()
    assert hashed(a=known) == hashed(a=str(known))
    assert hashed(a=(1, 2)) == hashed(a=[1, 2])
    assert hashed(a=AT) == hashed(a=AT.astimezone(timezone(timedelta(hours=5))))
    assert hashed(a=Band.HIGH, b=Consequence.MAJOR) == hashed(a="high", b=4)
    assert hashed(a=Decimal("1.50"), b=date(2026, 6, 8)) == hashed(a="1.50", b="2026-06-08")
    assert hashed(a=1) != hashed(a="1")
    assert hashed(a=None) != hashed()


def test_the_canonical_form_is_the_same_in_every_release() -> None:
    """Files exported years ago must still verify: this value never changes."""
    (entry,) = chain_of([{"band": "high", "score": 12, "reason_sha256": None, "naïve": ["é", True]}])
    assert entry["hash"] == "d64acb04db7cefde58dde78aad3221ca7623b27ca6afadcf556a265bb0bd5e71"


def test_an_empty_chain_holds() -> None:
    assert audit.verify([]) is None


def test_the_digest_stands_for_a_text_without_holding_it() -> None:
    assert audit.digest("Ten millilitres") != audit.digest("Ten millilitres.")
    assert len(audit.digest("")) == 64
