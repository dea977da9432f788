"""The second stage of a report, what came before, and attachments."""

import hashlib
import io
import os
import socket
import subprocess
import sys
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from minio import Minio
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from services.intake.details import policy
from services.runtime import audit
from services.runtime.attachments import AttachmentSettings, storage
from services.runtime.db import transaction
from tests.conftest import MovableClock, ServiceClient


@pytest.fixture
def intake(client: Callable[[str], ServiceClient]) -> ServiceClient:
    return client("intake")


@pytest.fixture
def home(place: Callable[..., uuid.UUID]) -> uuid.UUID:
    return place("intake")


def report(intake: ServiceClient, actor: Any, home: uuid.UUID, at: datetime, **changes: Any) -> str:
    body = {
        "location_id": str(home), "occurred_at": at.isoformat(), "category": "medication", "immediate_danger": False,
        "narrative": "Two doses instead of one.", **changes,
    }  # fmt: skip
    answer = intake.post("/incidents", actor, body)
    assert answer.status_code == 201, answer.text
    return f"/incidents/{answer.json()['incident_id']}"


def test_the_type_decides_what_is_asked(intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime) -> None:
    carer = actor("carer")
    path = report(intake, carer, home, now)
    asked = intake.get(f"{path}/questions", carer)
    ids = {q["id"] for q in asked.json()["questions"]}
    assert "medicine_error" in ids
    assert "head_injury" not in ids
    assert set(asked.json()["missing"]) == {"made_safe", "medicine", "medicine_error", "clinical_advice"}
    answers = {"medicine_error": "too_much", "clinical_advice": True, "made_safe": "Watched every half hour."}
    given = intake.put(f"{path}/answers", carer, {"answers": answers}, version=1)
    assert given.status_code == 200, given.text
    assert given.json()["missing"] == ["medicine"]
    chain = intake.get(f"{path}/audit", actor("registered_manager")).json()
    assert audit.verify(chain) is None
    assert "half hour" not in str(chain)


@pytest.mark.parametrize(
    ("category", "kind", "missing"),
    [
        ("medication", "good_care", set()),
        ("medication", "near_miss", {"made_safe", "medicine", "medicine_error"}),
        ("fall", "near_miss", {"made_safe", "witnessed"}),
        ("abuse_allegation", "good_care", set()),
        ("missed_visit", "incident", {"made_safe", "visits_missed", "visit_risk_tier"}),
        ("missed_visit", "near_miss", {"made_safe", "visits_missed", "visit_risk_tier"}),
    ],
)
def test_good_care_is_not_asked_what_went_wrong_and_a_near_miss_not_who_was_hurt(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, category: str, kind: str, missing: set[str]
) -> None:
    carer = actor("carer")
    changes = {"not_about_staff": True} if category == "abuse_allegation" else {}
    path = report(intake, carer, home, now, category=category, kind=kind, **changes)
    asked = intake.get(f"{path}/questions", carer).json()
    assert set(asked["missing"]) == missing
    if category == "medication":
        told = intake.put(f"{path}/answers", carer, {"answers": {"clinical_advice": False}}, version=1)
        assert [e["field"] for e in told.json()["errors"]] == ["answers.clinical_advice"]


def test_what_was_answered_stays_in_the_list_also_where_it_is_not_asked_any_more(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    carer = actor("carer")
    path = report(intake, carer, home, now)
    assert intake.put(f"{path}/answers", carer, {"answers": {"medicine": "A."}}, version=1).status_code == 200
    fewer = [
        q.model_copy(update={"kind": ["near_miss"]}) if q.id == "medicine" else q for q in policy.shipped().questions
    ]
    list_of = policy.shipped().model_copy(update={"questions": fewer})
    monkeypatch.setattr(policy, "shipped", lambda: list_of)
    shown = {q["id"]: q for q in intake.get(f"{path}/questions", carer).json()["questions"]}
    assert (shown["medicine"]["answer"], shown["medicine"]["required"]) == ("A.", False)


def test_an_account_that_is_changed_stays_as_it_was_with_whose_it_is_and_from_when(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, clock: MovableClock,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    carer, manager = actor("carer"), actor("registered_manager")
    path = report(intake, carer, home, now, category="fall")
    told = ("Beside the bed, no pain.", "Beside the bed; the hip hurts.", "Beside the bed; the hip is broken.")
    for n, (who, text_of) in enumerate(zip((carer, carer, manager), told, strict=True)):
        given = intake.put(f"{path}/answers", who, {"answers": {"found_position": text_of}}, version=n + 1)
        assert given.status_code == 200, given.text
        clock.advance(timedelta(hours=12))
    # Sent again by somebody else, the same answer is no new one.
    same = {"found_position": told[2], "witnessed": False}
    assert intake.put(f"{path}/answers", actor("registered_manager"), {"answers": same}, version=4).status_code == 200
    asked = {q["id"]: q for q in intake.get(f"{path}/questions", manager).json()["questions"]}
    assert (asked["found_position"]["answer"], asked["found_position"]["answered_by"]) == (told[2], str(manager.id))
    earlier = asked["found_position"]["earlier"]
    assert [(one["answer"], one["answered_by"]) for one in earlier] == [
        (text_of, str(carer.id)) for text_of in told[:2]
    ]
    assert [datetime.fromisoformat(one["answered_at"]) for one in earlier] == [now, now + timedelta(hours=12)]
    assert asked["witnessed"]["earlier"] == []
    # Nobody who works for the service can change or remove what was said.
    for change in ("update intake.answer_before set value = '1'", "delete from intake.answer_before"):
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            transaction(service_engine("intake"), carer.provider_id) as session,
        ):
            session.execute(text(change))


def test_of_a_missing_person_the_risk_the_police_profile_and_the_photograph_are_asked_and_shown(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime
) -> None:
    carer = actor("carer")
    path = report(intake, carer, home, now, category="missing_person")
    asked = {"missing_risk_pattern", "missing_urgency", "police_profile", "recent_photo"}
    assert asked <= set(intake.get(f"{path}/questions", carer).json()["missing"])
    answers = {"missing_urgency": "at_once", "police_profile": True, "recent_photo": False}
    wrong = intake.put(f"{path}/answers", carer, {"answers": {"missing_urgency": "later"}}, version=1)
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "answers.missing_urgency")
    assert intake.put(f"{path}/answers", carer, {"answers": answers}, version=1).status_code == 200
    read = intake.get(f"{path}/questions", actor("registered_manager")).json()
    shown = {q["id"]: q["answer"] for q in read["questions"] if q["id"] in asked}
    assert shown == {**answers, "missing_risk_pattern": None}, "a photograph that is not ready is shown as that"
    assert "missing_risk_pattern" in read["missing"]
    fall = intake.get(f"{report(intake, carer, home, now, category='fall')}/questions", carer).json()
    assert not asked & {q["id"] for q in fall["questions"]}


@pytest.mark.parametrize(
    ("answers", "field"),
    [
        ({"head_injury": True}, "answers.head_injury"),
        ({"medicine_error": "vanished"}, "answers.medicine_error"),
        ({"clinical_advice": "yes"}, "answers.clinical_advice"),
        ({"medicine": True}, "answers.medicine"),
        ({"medicine": ""}, None),
        ({"medicine": {"name": "x"}}, None),
    ],
)
def test_a_wrong_answer_is_named_and_nothing_is_kept(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, answers: dict[str, Any], field: str | None
) -> None:
    carer = actor("carer")
    path = report(intake, carer, home, now)
    refused = intake.put(f"{path}/answers", carer, {"answers": {"made_safe": "Yes.", **answers}}, version=1)
    assert refused.status_code == 422
    if field is not None:
        assert [e["field"] for e in refused.json()["errors"]] == [field]
    assert len(intake.get(f"{path}/questions", carer).json()["missing"]) == 4


def test_only_the_reporter_or_a_manager_answers(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime
) -> None:
    path = report(intake, actor("carer"), home, now)
    body = {"answers": {"made_safe": "Yes."}}
    assert intake.put(f"{path}/answers", actor("carer"), body, version=1).status_code == 403
    assert intake.put(f"{path}/answers", actor("registered_manager"), body, version=1).status_code == 200


def test_of_a_bruise_the_site_size_colour_and_the_own_words_are_asked_and_kept(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime
) -> None:
    carer = actor("carer")
    path = report(intake, carer, home, now, category="abuse_allegation", not_about_staff=True)
    asked = {q["id"]: q for q in intake.get(f"{path}/questions", carer).json()["questions"]}
    assert asked["body_site"]["required"] is True
    assert all(word in asked["body_site"]["text"] for word in ("Where on the body", "size", "colour"))
    assert "in their own words" in asked["own_words"]["text"]
    said = {"body_site": "Left forearm, 3 cm, yellow at the rim", "own_words": "It was the bed rail."}
    given = intake.put(f"{path}/answers", carer, {"answers": said}, version=1)
    assert given.status_code == 200, given.text
    read = intake.get(f"{path}/questions", actor("registered_manager")).json()
    assert {q["id"]: q["answer"] for q in read["questions"] if q["id"] in said} == said


@pytest.mark.parametrize("category", ["missing_person", "environment"])
def test_an_attempt_to_leave_and_an_unsafe_door_are_reported_and_nobody_has_left(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, category: str
) -> None:
    """As a near miss: it is taken, triaged with the worst that could have come of it, and the police are not owed a call."""
    manager = actor("registered_manager")
    path = report(
        intake, actor("carer"), home, now, category=category, kind="near_miss", narrative="The lock gave way."
    )
    scores = {"actual_harm": "none", "consequence": 4, "likelihood": 3}
    triaged = intake.post(f"{path}/triage", manager, scores, version=1)
    assert (triaged.status_code, triaged.json()["band"]) == (200, "high"), triaged.text
    obliged = intake.get(f"{path}/obligations", manager).json()
    assert [row["rule"] for row in obliged["obligations"] if row["outcome"] == "triggered"] == []


def test_what_came_before(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, place: Callable[..., uuid.UUID]
) -> None:
    carer, manager, person = actor("carer"), actor("registered_manager"), str(uuid.uuid4())
    elsewhere = place("intake")
    same_person = report(intake, carer, elsewhere, now - timedelta(days=200), category="fall", person_refs=[person])
    same_place = report(intake, carer, home, now - timedelta(days=10))
    report(intake, carer, home, now - timedelta(days=29))
    report(intake, carer, home, now - timedelta(days=3), category="fall")
    report(intake, carer, elsewhere, now - timedelta(days=400), person_refs=[person])
    path = report(intake, carer, home, now - timedelta(hours=1), person_refs=[person, person])
    earlier = intake.get(f"{path}/earlier", manager).json()
    assert earlier["total"] == 2
    found = {
        f"/incidents/{e['incident_id']}": (e["same_person"], e["same_place_and_type"]) for e in earlier["incidents"]
    }
    assert found == {same_person: (True, False), same_place: (False, True)}
    assert intake.get(f"{path}/earlier", carer).status_code == 403
    scores = {"actual_harm": "none", "consequence": 2, "likelihood": 4}
    unseen = intake.post(f"{path}/triage", manager, {**scores, "earlier_seen": 1}, version=1)
    assert unseen.status_code == 422
    assert [error["field"] for error in unseen.json()["errors"]] == ["earlier_seen"]
    seen = intake.post(f"{path}/triage", manager, {**scores, "earlier_seen": 2}, version=1)
    assert seen.status_code == 200
    assert intake.get(path, manager).json()["triage"][0]["earlier_seen"] == 2


def test_places_on_the_body_are_kept_as_codes_and_what_was_marked_first_stays(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime
) -> None:
    carer = actor("carer", locations=[home])
    path = report(intake, carer, home, now, category="fall")
    marked = ["front_left_knee", "back_sacrum"]
    assert intake.put(f"{path}/answers", carer, {"answers": {"body_map": marked}}, version=1).status_code == 200
    for wrong in (["front_wing"], "front_left_knee", True, ["front_left_knee", "x" * 300]):
        refused = intake.put(f"{path}/answers", carer, {"answers": {"body_map": wrong}}, version=2)
        assert refused.status_code == 422, wrong
        assert refused.json()["errors"][0]["field"].startswith("answers.body_map")
    text = intake.put(f"{path}/answers", carer, {"answers": {"found_position": ["front_head"]}}, version=2)
    assert text.status_code == 422
    assert intake.put(f"{path}/answers", carer, {"answers": {"body_map": []}}, version=2).status_code == 200
    [asked] = [q for q in intake.get(f"{path}/questions", carer).json()["questions"] if q["id"] == "body_map"]
    assert (asked["type"], asked["answer"]) == ("choices", [])
    assert [one["answer"] for one in asked["earlier"]] == [marked]
    unasked = report(intake, carer, home, now, category="medication")
    assert intake.put(f"{unasked}/answers", carer, {"answers": {"body_map": marked}}, version=1).status_code == 422


def test_what_only_some_may_know_of_is_not_shown_as_earlier(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime
) -> None:
    carer, manager, lead = actor("carer"), actor("registered_manager"), actor("safeguarding_lead")
    person = str(uuid.uuid4())
    about = {"category": "abuse_allegation", "person_refs": [person], "about_staff": [str(uuid.uuid4())]}
    restricted = report(intake, carer, home, now - timedelta(days=2), **about)
    path = report(intake, carer, home, now - timedelta(hours=1), person_refs=[person])
    assert intake.get(f"{path}/earlier", manager).json() == {"total": 0, "incidents": []}
    seen = intake.get(f"{path}/earlier", lead).json()
    assert [f"/incidents/{e['incident_id']}" for e in seen["incidents"]] == [restricted]


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (1).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    pixels = zlib.compress(os.urandom(1).join([b"\0", b""]) + b"\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PLUMBLINE_ATTACHMENTS_URL", f"file://{tmp_path}/kept")
    return tmp_path / "kept"


def attach(intake: ServiceClient, path: str, actor: Any, name: str, content: bytes, kind: str, **more: Any) -> Any:
    return intake.call("POST", f"{path}/attachments", actor, files={"file": (name, io.BytesIO(content), kind)}, **more)


def test_a_photo_is_kept_once_and_comes_back_whole(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, folder: Path
) -> None:
    carer, photo = actor("carer", locations=[home]), png()
    path = report(intake, carer, home, now)
    first = attach(intake, path, carer, "../../chart.png", photo, "image/png")
    assert first.status_code == 201, first.text
    again = attach(intake, path, carer, "chart again.png", photo, "image/png")
    assert again.json()["attachment_id"] == first.json()["attachment_id"]
    assert first.json()["name"] == "chart.png"
    assert first.json()["sha256"] == hashlib.sha256(photo).hexdigest()
    assert len([f for f in folder.rglob("*") if f.is_file()]) == 1
    fetched = intake.get(f"{path}/attachments/{first.json()['attachment_id']}", carer)
    assert fetched.content == photo
    assert fetched.headers["Content-Disposition"] == "attachment"
    stranger = actor("carer", locations=[uuid.uuid4()])
    assert intake.get(f"{path}/attachments/{first.json()['attachment_id']}", stranger).status_code == 404
    assert len(intake.get(f"{path}/attachments", carer).json()) == 1


def test_what_is_not_what_it_says_is_refused(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, folder: Path
) -> None:
    carer = actor("carer")
    path = report(intake, carer, home, now)
    for name, content, kind in [
        ("a.png", b"MZ" + b"\0" * 200, "image/png"),
        ("a.png", b"<html><script>1</script></html>", "image/png"),
        ("a.pdf", png(), "application/pdf"),
        ("a.html", b"<html></html>", "text/html"),
        ("a.png", b"", "image/png"),
        ("a.png", png() + b"\0" * 10_000_000, "image/png"),
    ]:
        refused = attach(intake, path, carer, name, content, kind)
        assert refused.status_code == 422, (name, kind, refused.text)
        assert [e["field"] for e in refused.json()["errors"]] == ["file"]
        assert refused.json()["errors"][0]["remedy"]
    assert attach(intake, path, carer, "a.png", png() + b"\0" * 10_200_000, "image/png").status_code == 413
    assert not folder.exists()


def test_a_store_that_is_away_is_said_and_nothing_is_half_kept(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way of a folder")
    monkeypatch.setenv("PLUMBLINE_ATTACHMENTS_URL", f"file://{tmp_path}/file")
    carer = actor("carer")
    path = report(intake, carer, home, now)
    refused = attach(intake, path, carer, "a.png", png(), "image/png", key="attach-once")
    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    assert intake.get(f"{path}/attachments", carer).json() == []


def test_without_a_store_whoever_may_see_is_told_what_to_set(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PLUMBLINE_ATTACHMENTS_URL", raising=False)
    carer, stranger = actor("carer"), actor("carer", locations=[uuid.uuid4()])
    path = report(intake, carer, home, now)
    assert attach(intake, path, stranger, "a.png", png(), "image/png", key="stranger").status_code == 404
    assert intake.get(f"{path}/attachments/{uuid.uuid4()}", stranger).status_code == 404
    assert attach(intake, path, carer, "a.png", b"no picture", "image/png", key="content").status_code == 422
    refused = attach(intake, path, carer, "a.png", png(), "image/png", key="attach-once")
    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/no-attachment-store")
    assert "PLUMBLINE_ATTACHMENTS_URL" in refused.json()["detail"]
    assert intake.get(f"{path}/attachments", carer).json() == []


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """An S3-compatible server in a process of its own (moto's: the protocol is real, the durability is not)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(300):
            try:
                httpx.get(f"http://127.0.0.1:{port}/moto-api/", timeout=1)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def test_the_same_against_an_s3_compatible_store(s3: str) -> None:
    Minio(s3, access_key="a", secret_key="b" * 8, secure=False).make_bucket("evidence")
    settings = AttachmentSettings(
        attachments_url=f"s3://{s3}/evidence", attachments_access_key="a",
        attachments_secret_key="b" * 8, attachments_tls=False, environment="local",
    )  # fmt: skip
    store, provider, content = storage(settings), uuid.uuid4(), os.urandom(100_000)
    digest = hashlib.sha256(content).hexdigest()
    for _ in range(2):
        store.keep(provider, digest, content)
    assert store.fetch(provider, digest) == content
    with pytest.raises(Exception, match="did not answer"):
        store.fetch(uuid.uuid4(), digest)
    for _ in range(2):
        store.remove(provider, digest)
    with pytest.raises(Exception, match="did not answer"):
        store.fetch(provider, digest)


def test_a_store_that_cannot_be_is_named() -> None:
    for url in ("", "ftp://x", "s3://host", "relative"):
        with pytest.raises(ValueError, match="PLUMBLINE_ATTACHMENTS_URL"):
            storage(AttachmentSettings(attachments_url=url))


def test_whoever_reports_an_allegation_may_add_to_it_and_reads_only_what_is_their_own(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, folder: Path
) -> None:
    carer, accused, lead = actor("carer"), actor("carer"), actor("safeguarding_lead")
    path = report(intake, carer, home, now, category="abuse_allegation", about_staff=[str(accused.id)])
    answers = {"body_site": "Inside of the left arm, 1 cm, purple.", "own_words": "It hurts."}
    assert intake.put(f"{path}/answers", carer, {"answers": answers}, version=1).status_code == 200
    later = intake.put(f"{path}/answers", lead, {"answers": {"made_safe": "Moved to another shift."}}, version=2)
    assert later.status_code == 200, later.text

    def known(who: Any) -> dict[str, Any]:
        shown = intake.get(f"{path}/questions", who).json()["questions"]
        return {one["id"]: one["answer"] for one in shown if one["answer"] is not None}

    assert known(carer) == answers
    assert set(known(lead)) == {*answers, "made_safe"}
    # What somebody else makes of it is not theirs to read; their own account is, and stays.
    seen_again = {"answers": {"body_site": "Inside of the left arm, 2 cm."}}
    assert intake.put(f"{path}/answers", lead, seen_again, version=3).status_code == 200
    assert known(carer) == {"own_words": answers["own_words"]}
    for who in (carer, lead):
        shown = {one["id"]: one for one in intake.get(f"{path}/questions", who).json()["questions"]}
        assert [one["answer"] for one in shown["body_site"]["earlier"]] == [answers["body_site"]]
    attached = attach(intake, path, carer, "mark.png", png(), "image/png")
    assert attached.status_code == 201, attached.text
    kept = f"{path}/attachments/{attached.json()['attachment_id']}"
    assert intake.get(kept, lead).status_code == 200
    assert intake.get(kept, carer).status_code == 404
    for other in (accused, actor("carer")):
        assert intake.get(f"{path}/questions", other).status_code == 404
        assert attach(intake, path, other, "x.png", png(), "image/png").status_code == 404
