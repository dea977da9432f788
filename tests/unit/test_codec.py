"""What Temporal is given to keep: encrypted, readable with the right keys only, and never silently wrong."""

import base64
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError

from services.runtime.temporal import EncryptionCodec, data_converter

Answer = TypeVar("Answer")


def at_once(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run what never waits. An event loop would open a socket pair, which unit tests may not."""
    try:
        work.send(None)
    except StopIteration as end:
        answer: Answer = end.value
        return answer
    raise AssertionError("it waited")


def key(letter: str) -> str:
    return base64.b64encode(letter.encode() * 32).decode()


def codec(*keys: str) -> EncryptionCodec:
    return EncryptionCodec(SecretStr(",".join(keys)))


OLD, NEW = f"old:{key('o')}", f"new:{key('n')}"


def encrypted(by: EncryptionCodec, payload: Payload) -> Payload:
    (answer,) = at_once(by.encode([payload]))
    return answer


def decrypted(by: EncryptionCodec, payload: Payload) -> Payload:
    (answer,) = at_once(by.decode([payload]))
    return answer


def a_payload(data: bytes = b'{"location_id":"x"}') -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=data)


@given(
    st.lists(
        st.builds(
            lambda metadata, data: Payload(metadata=metadata, data=data),
            st.dictionaries(st.text(max_size=8), st.binary(max_size=16), max_size=3),
            st.binary(max_size=200),
        ),
        max_size=4,
    )
)
def test_what_was_encrypted_comes_back(payloads: list[Payload]) -> None:
    made = codec(NEW)
    sent = at_once(made.encode(payloads))
    assert at_once(made.decode(sent)) == payloads
    assert all(set(payload.metadata) == {"encoding", "key"} for payload in sent)


def test_nothing_of_it_can_be_read_and_no_two_look_alike() -> None:
    made = codec(NEW)
    first, second = encrypted(made, a_payload(b"medication")), encrypted(made, a_payload(b"medication"))
    assert b"medication" not in first.SerializeToString()
    assert b"json/plain" not in first.SerializeToString()
    assert first.data != second.data


def test_keys_are_rotated_by_putting_the_new_one_first() -> None:
    before, during, after = codec(OLD), codec(NEW, OLD), codec(NEW)
    kept = encrypted(before, a_payload())
    assert decrypted(during, kept) == a_payload()
    written = encrypted(during, a_payload())
    assert written.metadata["key"] == b"new"
    assert decrypted(after, written) == a_payload()
    with pytest.raises(ValueError, match=r"no key b'old' in PLUMBLINE_TEMPORAL_CODEC_KEYS: add the old key"):
        decrypted(after, kept)


def test_the_right_name_with_the_wrong_key_is_refused() -> None:
    kept = encrypted(codec(OLD), a_payload())
    with pytest.raises(ValueError, match="does not match key b'old'"):
        decrypted(codec(f"old:{key('x')}"), kept)


@given(st.integers(min_value=0, max_value=10_000), st.integers(min_value=1, max_value=255))
def test_a_single_changed_byte_is_found(place: int, flip: int) -> None:
    made = codec(NEW)
    kept = encrypted(made, a_payload())
    data = bytearray(kept.data)
    data[place % len(data)] ^= flip
    kept.data = bytes(data)
    with pytest.raises(ValueError, match="does not match key b'new'"):
        decrypted(made, kept)


@pytest.mark.parametrize("length", [0, 5, 12, 20])
def test_a_payload_that_was_cut_off_is_refused(length: int) -> None:
    made = codec(NEW)
    kept = encrypted(made, a_payload())
    kept.data = kept.data[:length]
    with pytest.raises(ValueError):
        decrypted(made, kept)


def test_a_payload_under_another_name_is_refused_even_with_the_same_key() -> None:
    both = codec(f"one:{key('k')}", f"two:{key('k')}")
    kept = encrypted(both, a_payload())
    kept.metadata["key"] = b"two"
    with pytest.raises(ValueError, match="does not match key b'two'"):
        decrypted(both, kept)


def test_what_it_did_not_encrypt_is_left_alone() -> None:
    assert decrypted(codec(NEW), a_payload()) == a_payload()


@pytest.mark.parametrize("keys", ["", "k1", "k1:", f"k1:{key('k')[:-8]}", f"k1:{key('k')},k2:AAAA"])
def test_a_key_of_the_wrong_length_is_refused_by_name(keys: str) -> None:
    with pytest.raises(ValueError, match="PLUMBLINE_TEMPORAL_CODEC_KEYS must be 32 bytes"):
        EncryptionCodec(SecretStr(keys))


def test_a_failure_hides_its_message_and_its_stack_trace() -> None:
    converter = data_converter(SecretStr(NEW))
    try:
        raise ApplicationError("Mrs Example refused her tablets", type="invalid-input")
    except ApplicationError as error:
        failure = Failure()
        at_once(converter.encode_failure(error, failure))
    assert b"Mrs Example" not in failure.SerializeToString()
    assert b"test_codec" not in failure.SerializeToString()
    restored = at_once(converter.decode_failure(failure))
    assert "Mrs Example" in str(restored)
