"""Cursors: what a page hands out leads on, and what it did not hand out is refused with a remedy, never with a crash."""

import base64
import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from services.runtime.errors import ServiceError
from services.runtime.pagination import Page, decode, encode


def as_cursor(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


@given(st.uuids())
def test_a_cursor_leads_back_to_its_row(row: UUID) -> None:
    assert decode(encode(row)) == row


@given(st.uuids())
def test_a_cursor_fits_an_address_and_the_length_that_is_allowed(row: UUID) -> None:
    cursor = encode(row)
    assert len(cursor) <= 400
    assert all(sign.isalnum() or sign in "-_=" for sign in cursor)


def test_without_a_cursor_it_begins_at_the_beginning() -> None:
    assert decode(None) is None


@given(
    st.one_of(st.text(max_size=400), st.binary(max_size=200).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
)
def test_whatever_is_sent_is_a_cursor_or_refused(cursor: str) -> None:
    found: UUID | None = None
    refused = ""
    try:
        found = decode(cursor)
    except ServiceError as error:
        refused = error.kind
    assert isinstance(found, UUID) != (refused == "invalid-input")


@pytest.mark.parametrize("content", [[], {}, {"0": "x"}, [None], [1], ["x"], [[]], 7, None, "", "x", True, [{}]])
def test_a_cursor_of_another_shape_names_the_field_and_the_remedy(content: Any) -> None:
    with pytest.raises(ServiceError) as refusal:
        decode(as_cursor(content))
    (problem,) = refusal.value.errors
    assert problem.field == "cursor"
    assert "`next`" in problem.remedy


def test_the_last_page_says_so() -> None:
    class Row(BaseModel):
        name: str

    assert Page[Row](items=[Row(name="a")]).model_dump() == {"items": [{"name": "a"}], "next": None}
