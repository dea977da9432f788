"""The pages of retention: two people decide about a record whose time has come, and a hold stops them."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import MovableClock
from tests.integration.test_console_pages import person
from tests.integration.test_escalation import Rig
from tests.integration.test_recurrence import close
from tests.integration.test_retention import YEARS, anyio_backend, folder, home, rig, sweep
from tests.integration.test_retention_records import concern, unknown, unlimited

__all__ = ["anyio_backend", "concern", "folder", "home", "person", "rig", "sweep", "unknown", "unlimited"]


def test_two_people_decide_about_a_record_and_a_hold_stops_them(
    rig: Rig, place: Callable[..., uuid.UUID], actor: Any, person: Any, clock: MovableClock
) -> None:
    director, individual, lead = actor("director"), actor("nominated_individual"), actor("quality_lead")
    incident = rig.report(actor("carer"), place("intake"), narrative="Fell on the stairs.")
    rig.triage(actor("registered_manager"), incident)
    here = f"/incidents/{incident}/retention"
    decide, confirm, hold, lift = (f"{here}/{name}" for name in ("decide", "confirm", "hold", "lift"))
    page = person(director).open(here)
    page.says("In use: its time has not begun", "No hold stands")
    assert decide not in page.forms
    close(rig, incident)
    page.open(here).says("It must be kept")
    page.send(decide, decide_decision="keep", decide_reason="An inquiry may ask.").says("keep_until")
    page.send(decide, decide_keep_until="2099-01-01").says("It is kept", "Decided: keep it for longer", "You,")
    page.open("/administration/retention").says("None: every record is within its time")

    clock.advance(YEARS)
    page = person(director).open("/administration")
    assert "/administration/retention" in page.html
    page.open("/administration/retention").says("None: every record is within its time")  # it is kept until 2099
    page.open(here).says("Its time has come")
    page.send(hold).says("Say who asked for it")
    page.send(hold, hold_reason="The coroner asks.", hold_look_again_on="2098-01-01").says(
        "It is kept", "The coroner asks."
    )
    page.open("/administration/retention").says("A hold on an incident", "The coroner asks.")
    page.open(here).send(decide, decide_decision="destroy", decide_reason="Its time has passed.").says("must be kept")
    assert page.forms[decide]["decide_reason"].strip() == "Its time has passed."
    page.open(here).send(lift).says("Say why it is no longer needed")
    page.send(lift, lift_0_reason="The inquest is over.").says("No hold stands")
    page.send(decide).says("Choose what becomes of it")
    page.send(decide, decide_decision="destroy", decide_reason="Its time has passed.")
    page.says("Decided: destroy it", "Somebody else who answers for records confirms it")
    assert confirm not in page.forms

    other = person(individual).open("/administration/retention")
    other.says("Waits for somebody else to confirm it")
    other.open(here).send(confirm).says("Confirmed by You", "erased in the coming night")
    other.open("/administration/retention").says("None: every record is within its time", "Nothing was erased")
    away = person(lead)
    assert away.open(here).status == 403
    assert away.open("/administration/retention").status == 403
    assert here not in away.open(f"/incidents/{incident}").html


@pytest.mark.anyio
async def test_those_who_see_a_concern_decide_about_it_on_the_same_page(
    rig: Rig, concern: tuple[str, str], actor: Any, person: Any, clock: MovableClock, sweep: Callable[[], Any]
) -> None:
    lead, guardian = actor("safeguarding_lead"), actor("speak_up_guardian")
    here = f"/administration/retention/records/{concern[0]}"
    decide, confirm, hold, lift = (f"{here}/{name}" for name in ("decide", "confirm", "hold", "lift"))
    await sweep()
    page = person(guardian).open(here)
    page.says("It must be kept", "to be confirmed")
    clock.advance(YEARS)
    page = person(guardian).open("/administration/retention")
    page.says("A concern, ", "Waits for a decision")
    page.open(here).send(hold, hold_reason="A tribunal asks.").says("A tribunal asks", "It must be kept")
    page.send(lift, lift_0_reason="It is over.").says("No hold stands")
    page.send(decide, decide_decision="destroy", decide_reason="Its time has passed.").says("Decided: destroy it")
    assert confirm not in page.forms
    other = person(lead).open(here)
    other.send(confirm).says("Confirmed by You", "erased in the coming night")
    assert person(actor("director")).open(here).status == 404
    assert (await sweep()).erased == 1
    person(lead).open("/administration/retention").says("by rule concern", "Proved by each service")
