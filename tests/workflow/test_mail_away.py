"""A mail server that is away for a day: the real process on the time-skipping server, the real delivery over real sockets."""

import uuid
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text
from temporalio.testing import WorkflowEnvironment

from services.contracts import activities as contract
from services.directory.notices import commands
from services.directory.notices.channels import channels
from services.directory.notices.settings import NoticeSettings
from services.runtime.clock import Clock
from services.runtime.db import transaction
from tests.integration.test_notices import HttpSink, Mailbox, mailbox, sink  # noqa: F401 - fixtures
from tests.workflow.conftest import PROVIDER, Case, Running
from tests.workflow.test_escalation import Ladder, case_has_no_notice

pytestmark = pytest.mark.anyio


class ServerClock(Clock):
    """Shows the time of the server that skips it, from within an activity."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self._case = case

    def now(self) -> datetime:
        return self._case.now()


class Rungs:
    """Who stands on each rung of the ladder: the first with e-mail and mobile, then e-mail only, then a mobile only."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.people = [uuid.uuid4() for _ in range(3)]
        self.mobiles = ["+447700900101", None, "+447700900103"]
        with transaction(engine, PROVIDER) as session:
            session.execute(
                text(
                    "insert into directory.provider (provider_id, name) values (:id, 'Example') on conflict do nothing"
                ),
                {"id": PROVIDER},
            )
            for person, mobile in zip(self.people, self.mobiles, strict=True):
                email = None if person == self.people[2] else self.email(person)
                row = {"person": person, "provider": PROVIDER, "email": email, "mobile": mobile}
                session.execute(
                    text(
                        "insert into directory.person (person_id, provider_id, display_name, active, version)"
                        " values (:person, :provider, 'Example', true, 1)"
                    ),
                    row,
                )
                session.execute(
                    text("insert into directory.contact values (:person, :provider, :email, :mobile, 1)"), row
                )

    def email(self, person: uuid.UUID) -> str:
        return f"p{person.hex[:8]}@care.example"

    def deliveries(self) -> dict[tuple[int, str], Any]:
        """What became of each notice, by rung and channel."""
        with transaction(self._engine, PROVIDER) as session:
            rows = session.execute(
                text("select * from directory.delivery where person_id = any (:people)"), {"people": self.people}
            ).all()
        found = {(self.people.index(row.person_id), row.channel): row for row in rows}
        assert len(found) == len(rows), "one notice for each rung"
        return found


async def hours(env: WorkflowEnvironment, count: int) -> None:
    """Let time pass hour by hour: every attempt in it takes some real time, and a call to the server is limited in that."""
    for _ in range(count):
        await env.sleep(timedelta(hours=1))


async def test_a_mail_server_that_is_down_for_a_day_loses_and_doubles_nothing(
    skipping: WorkflowEnvironment, service_engine: Callable[[str], Engine], mailbox: Mailbox, sink: HttpSink  # noqa: F811
) -> None:  # fmt: skip
    engine = service_engine("directory")
    rungs = Rungs(engine)
    settings = NoticeSettings(
        smtp_url=SecretStr(f"smtp://127.0.0.1:{mailbox.port}"), sms_url=f"{sink.url}/sms", sms_token=SecretStr("token")
    )
    async with Running(skipping) as case:
        ladder, clock = Ladder(case, rungs=3), ServerClock(case)

        def called(command: contract.Escalate) -> contract.Escalated:
            return ladder.escalated(command).model_copy(update={"to_person": rungs.people[command.step - 1]})

        case.services.escalated = called
        case.services.delivered = lambda c: commands.deliver(
            engine, clock, channels(settings), settings.notice_link, c.model_copy(update={"provider_id": PROVIDER})
        )
        mailbox.down()
        await case.reported(triage_hours=200)
        await ladder.wanted()
        # Half a day nobody listens; what is urgent climbs, and reaches those who have a mobile at once.
        await hours(skipping, 12)
        assert ladder.steps() == [1, 2, 3]
        assert len(sink.posts("/sms")) == 2
        seen = rungs.deliveries()
        assert {key: row.status for key, row in seen.items()} == {
            (0, "sms"): "sent", (0, "email"): "failed", (1, "email"): "failed", (2, "sms"): "sent",
        }  # fmt: skip
        assert {row.error for row in seen.values()} == {None, "ConnectionRefusedError"}
        assert seen[2, "sms"].first_at - seen[0, "sms"].first_at < timedelta(hours=3), "climbed as its clock says"
        # The other half it listens, and takes nothing.
        mailbox.refuse = b"451 try later\r\n"
        mailbox.up()
        await hours(skipping, 12)
        later = rungs.deliveries()
        for key in ((0, "email"), (1, "email")):
            row = later[key]
            assert (row.status, row.error) == ("failed", "SMTPRecipientsRefused")
            assert row.last_at - row.first_at > timedelta(hours=20)
            # Every attempt is counted, and it was tried on all the time, ever less often.
            assert row.attempt > seen[key].attempt > 50
        assert mailbox.mails == []
        assert not await case_has_no_notice(case)
        mailbox.refuse = b""
        await skipping.sleep(timedelta(minutes=30))
        await case.until(lambda: case_has_no_notice(case), "all delivered")
        # Back for hours more: nothing comes a second time, by whatever channel.
        await hours(skipping, 2)
    to = Counter(line for mail in mailbox.mails for line in mail.splitlines() if line.startswith("To: "))
    assert to == Counter({f"To: {rungs.email(person)}": 1 for person in rungs.people[:2]})
    assert len(sink.posts("/sms")) == 2
    assert {row.status for row in rungs.deliveries().values()} == {"sent"}
    assert len({mail.split("Message-ID: ")[1].split()[0] for mail in mailbox.mails}) == 2
