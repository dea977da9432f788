"""Every way an incident can go, on the real stack, by people with tokens of their own."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from deploy.local.people import Refused
from services.runtime.actor import SYSTEM_ID
from services.runtime.audit import verify
from tests.e2e import stories
from tests.e2e.journey import Care, in_order
from tests.e2e.running import RunningStack
from tests.e2e.typed import type_everywhere
from tests.security.planted import anywhere, found

PUBLISHERS = ("directory", "intake", "review", "actions")
CHAIN = ["1:reported", "1:triaged", "1:reviewing", "1:acting", "1:verifying", "1:sharing", "1:checking_impact"]
COMPLETED = "WORKFLOW_EXECUTION_STATUS_COMPLETED"


def test_low_harm_from_report_to_closed(told: Any, care: Care) -> None:
    journey = told(stories.low_harm)
    timeline = journey.timeline()
    assert journey.stages() == [*CHAIN, "1:closed"]
    by = {entry["stage"]: (entry["by"], entry["by_role"]) for entry in timeline["stages"]}
    assert by["reported"] == (care.carer.id, "carer")
    assert by["triaged"] == (care.manager.id, "registered_manager")
    assert {by[stage] for stage in by if stage not in ("reported", "triaged")} == {(str(SYSTEM_ID), "service")}
    assert in_order([entry["at"] for entry in timeline["stages"]])
    assert in_order([entry["at"] for entry in timeline["entries"]])
    assert timeline["next"] is None
    _process_ends(journey)
    # Done, verified, effective: three words, said by different people.
    said = {entry["type"]: entry["actor"] for entry in timeline["entries"]}
    assert said["plumbline.action.done.v1"] == care.manager.id
    assert said["plumbline.action.verified.v1"] == care.quality.id
    assert said["plumbline.impact.judged.v1"] == care.quality.id
    assert said["plumbline.review.submitted.v1"] == care.manager.id
    assert said["plumbline.review.approved.v1"] == care.quality.id


def test_the_checkpoint_comes_thirty_days_after_verification(told: Any) -> None:
    timeline = told(stories.low_harm).timeline()
    at = {entry["type"]: datetime.fromisoformat(entry["at"]) for entry in timeline["entries"]}
    waited = at["plumbline.checkpoint.measured.v1"] - at["plumbline.action.verified.v1"]
    assert waited.days >= 30


def test_the_reporter_is_told_what_became_of_it(told: Any, care: Care) -> None:
    journey = told(stories.low_harm)
    messages = care.carer.get("intake", f"{journey.record}/feedback")
    assert len(messages) == 8
    assert "Thank you" in messages[0]["message"]
    assert "because of your report" in messages[-1]["message"]
    assert in_order([message["sent_at"] for message in messages])
    assert care.marker not in str(messages)


def test_high_risk_tells_the_person_on_call(told: Any, care: Care) -> None:
    journey = told(stories.high_risk)
    escalations = care.quality.get("intake", f"{journey.record}/escalations")
    first = next(e for e in escalations if e["reason"] == "high_risk" and e["to_person"])
    assert (first["level"], first["to_role"]) == (2, "registered_manager")
    assert first["to_person"] == care.deputy.id
    assert first["acknowledged_by"] == care.deputy.id
    assert in_order([first["sent_at"], first["acknowledged_at"]])


def test_when_nobody_triages_the_rule_does(told: Any, care: Care) -> None:
    journey = told(stories.unattended)
    incident = journey.read()
    [triage] = incident["triage"]
    assert triage["by_default"] is True
    assert (triage["rule"], triage["band"]) == ("otherwise", "moderate")
    assert triage["decided_by"] == str(SYSTEM_ID)
    assert in_order([incident["triage_due_at"], triage["decided_at"]])
    assert journey.stages() == ["1:reported", "1:triaged", "1:reviewing", "1:closed"]


def test_a_returned_verification_goes_back_to_the_owner(told: Any, care: Care) -> None:
    journey = told(stories.returned)
    again = ["1:acting", "1:verifying"]
    assert journey.stages() == [*CHAIN[:3], *again, *again, *CHAIN[5:], "1:closed"]
    [action] = care.quality.get("actions", "/actions", incident_id=journey.id)["items"]
    looks = care.quality.get("actions", f"/actions/{action['action_id']}")["verifications"]
    assert [look["outcome"] for look in looks] == ["returned", "passed"]


def test_no_change_opens_a_second_cycle(told: Any) -> None:
    journey = told(stories.no_change)
    assert journey.stages() == [*CHAIN, "2:reviewing", "2:closed"]


def test_withdrawn_ends_the_process(told: Any, care: Care) -> None:
    journey = told(stories.withdrawn)
    assert journey.stages() == [*CHAIN[:3], "1:withdrawn"]
    _process_ends(journey)
    assert care.marker in journey.read()["end_reason"]


def test_a_duplicate_ends_and_names_the_other(told: Any) -> None:
    first, second = told(stories.duplicate)
    assert second.stages()[-1] == "1:duplicate"
    assert second.read()["duplicate_of"] == first.id
    _process_ends(second)
    assert first.read()["stage"] == "closed"


def test_reopened_after_closure_goes_round_again(told: Any) -> None:
    journey = told(stories.reopened)
    assert journey.stages() == [*CHAIN[:3], "1:closed", "2:reviewing", "2:closed"]
    _process_ends(journey)


def _process_ends(journey: Any) -> None:
    journey.care.quality.until(
        "intake", journey.record, lambda _: journey.process() == COMPLETED, f"the process of {journey.id} to end"
    )


@pytest.mark.parametrize("story", stories.STORIES, ids=lambda story: story.__name__)
def test_every_audit_chain_holds(told: Any, story: Any) -> None:
    result = told(story)
    for journey in result if isinstance(result, tuple) else (result,):
        assert "intake" in journey.chains()
        assert journey.chain_faults() == {}


def test_a_tampered_export_names_the_entry(told: Any) -> None:
    for chain in told(stories.low_harm).chains().values():
        changed = [{**entry} for entry in chain]
        changed[1]["data"] = {**changed[1]["data"], "by": "nobody"}
        assert verify(changed) == "entry 2 was changed after it was written"
        later = [{**entry} for entry in chain]
        later[-1]["at"] = later[0]["at"]
        assert verify(later) == f"entry {len(chain)} was changed after it was written"
        assert verify([*chain[:1], *chain[2:]]) == "entry 2 is missing: entry 3 came in its place"
        assert verify([chain[1], chain[0], *chain[2:]]) == "entry 1 is missing: entry 2 came in its place"


def test_nothing_people_wrote_leaves_the_tables_of_its_owner(told: Any, stack: RunningStack, care: Care) -> None:
    """Whatever could be typed names a person, who is then looked for byte by byte, also as it may be wrapped.

    An id may be in all these places, and is found: the search is not blind.
    """
    journeys = [told(story) for story in (stories.low_harm, stories.no_change, stories.withdrawn, stories.high_risk)]
    with pytest.raises(Refused, match="422"):
        care.carer.post("intake", "/incidents", {**care.report_body(), "category": care.marker, care.marker: 1})
    typed = type_everywhere(stack.record, care.http, care.marker)
    assert len({operation for operation, status in typed if status < 300}) > 15, "hardly anything was taken"
    assert [(operation.name, status) for operation, status in typed if status >= 500] == []
    sought = {**care.planted, "an id": journeys[0].id}
    for kept_in in (("intake", "incident"), ("actions", "action")):
        assert anywhere(_rows(stack, kept_in[:1], kept_in[1]), sought) == set(sought), kept_in

    places: dict[str, Iterator[bytes]] = {
        "Temporal": (file.read_bytes() for file in stack.home.path.glob("temporal.db*")),
        "Kafka": _records(care),  # the broker keeps them in memory, so that there is no file of it
        "outboxes": _rows(stack, PUBLISHERS, "outbox"),
        "audit": _rows(stack, PUBLISHERS, "audit_entry"),
        "reporting": _rows(stack, ("reporting",), "timeline"),
    }
    for name, parts in places.items():
        assert found(b"\n".join(parts), sought) == {"an id"}, name
    logs = {file.name: file.read_bytes() for file in stack.home.logs.iterdir() if file.is_file()}
    assert logs.keys() >= {f"{part.name}.log" for part in stack.record.parts}
    assert {name: there for name, content in logs.items() if (there := found(content, care.planted))} == {}
    for name in (*PUBLISHERS, "reporting", "workflows", "console"):
        assert found(stack.metrics(name).encode(), care.planted) == set(), name


def _rows(stack: RunningStack, services: tuple[str, ...], table: str) -> Iterator[bytes]:
    with stack.database() as connection:
        for service in services:
            for (row,) in connection.execute(f"select t::text from {service}.{table} t"):
                yield row.encode()


def _records(care: Care) -> Iterator[bytes]:
    """Keys, headers and values of every record the broker has."""
    consumer = KafkaConsumer(
        bootstrap_servers=care.stack.url("kafka"), auto_offset_reset="earliest", metrics_enabled=False
    )
    try:
        topics = [topic for topic in consumer.topics() if topic.startswith("plumbline.")]
        places = [TopicPartition(topic, part) for topic in topics for part in consumer.partitions_for_topic(topic)]
        consumer.assign(places)
        # The broker's answer for the end of a partition cannot be used: Tansu gives the begin of the last batch.
        while any(consumer.highwater(place) != consumer.position(place) for place in places):
            for found in consumer.poll(timeout_ms=200).values():
                for record in found:
                    yield repr((record.key, record.headers)).encode() + record.value
    finally:
        consumer.close()
