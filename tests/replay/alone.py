"""Processes that stand for themselves, each walked beside stand-ins of the services: watches, and what runs on schedules."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from services.contracts import activities as contract
from services.contracts.taxonomy import RecordKind, Role
from tests.workflow.conftest import PROVIDER
from workflows.concern import ConcernCase, ConcernWorkflow
from workflows.digest import DigestWorkflow
from workflows.glass import GlassCase, GlassWorkflow
from workflows.meetings import MeetingsWorkflow
from workflows.patterns import PatternsWorkflow
from workflows.reconciler import Found, Outcome, ReconcileWorkflow
from workflows.retention import RetentionWorkflow, Swept
from workflows.webhooks import WebhooksWorkflow
from workflows.worker import WORKFLOWS, runner

QUEUE = "alone"


class Alone:
    """A process with workers that stand for all services. `looks` counts what was asked of them, by activity; `kinds` are of
    the records that were decided about."""

    def __init__(self, env: WorkflowEnvironment) -> None:
        self.env, self.id = env, uuid4()
        self.looks: dict[str, int] = {}
        self.kinds: tuple[RecordKind, ...] = (RecordKind.INCIDENT, RecordKind.INCIDENT)
        intake, reporting, directory, review, actions, own = (
            contract.INTAKE_QUEUE, contract.REPORTING_QUEUE, contract.DIRECTORY_QUEUE, contract.REVIEW_QUEUE,
            contract.ACTIONS_QUEUE, QUEUE,
        )  # fmt: skip
        answers: dict[str, dict[str, Callable[..., Any]]] = {
            own: {"reconciler.compare": self._compared, "reconciler.report": self._reported},
            intake: {
                contract.WATCH_CONCERN: self._watched, contract.WATCH_GLASS: self._watched,
                contract.LIST_WAITING: self._waiting, contract.LIST_OPEN_INCIDENTS: self._open,
                f"intake.{contract.REPUBLISH}": self._done,
                contract.LIST_DISPOSALS: self._disposals, contract.BEGIN_DISPOSAL: self._begun,
                contract.FINISH_DISPOSAL: self._done, f"intake.{contract.FILES_IN_USE}": self._none_used,
                contract.KEPT_SINCE: self._kept_since, contract.KEEP_RECORDS: self._done,
                contract.STOP_DISPOSAL: self._done, f"intake.{contract.LIST_KEPT}": self._kept,
            },
            review: {contract.LIST_OPEN_THEMES: self._none_open, f"review.{contract.REPUBLISH}": self._done},
            actions: {
                f"actions.{contract.REPUBLISH}": self._done, f"actions.{contract.FILES_IN_USE}": self._none_used,
            },
            directory: {
                contract.RESOLVE_ON_CALL: self._on_call, contract.DELIVER_NOTICE: self._delivered,
                contract.SEND_DIGEST: self._delivered, f"directory.{contract.ERASE}": self._somebody_came_back,
            },
            reporting: {
                contract.LIST_PROVIDERS: self._providers, contract.SEARCH_PATTERNS: self._searched,
                contract.COMPILE_MEETINGS: self._compiled, contract.SEND_WEBHOOKS: self._sent,
                f"reporting.{contract.FILES_IN_USE}": self._none_used,
            },
        }  # fmt: skip
        for queue in (review, reporting, directory):
            answers[queue] |= {f"{queue}.{contract.LIST_KEPT}": self._kept_nothing}
        for queue in (intake, review, actions, reporting):
            answers[queue] |= {f"{queue}.{contract.ERASE}": self._erased}
        for queue in (intake, review, actions, reporting, directory):
            answers[queue] |= {f"{queue}.{contract.CLEAR_REPLIES}": self._none_left}
        self._workers = [
            Worker(
                env.client,
                task_queue=queue,
                workflows=WORKFLOWS if queue == QUEUE else (),
                activities=[self._standing_for(name, answer) for name, answer in named.items()],
                workflow_runner=runner(isolated=True),
            )
            for queue, named in answers.items()
        ]

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        """Its process."""
        return self.env.client.get_workflow_handle(f"alone-{self.id}")

    async def __aenter__(self) -> "Alone":
        for worker in self._workers:
            await worker.__aenter__()
        return self

    async def __aexit__(self, *exc: Any) -> None:
        for worker in self._workers:
            await worker.__aexit__(*exc)

    async def start(self, of: Any, *arguments: Any) -> None:
        """Start the process."""
        await self.env.client.start_workflow(of, args=arguments, id=self.handle.id, task_queue=QUEUE)

    def _standing_for(self, name: str, answer: Callable[..., Any]) -> Callable[..., Any]:
        @activity.defn(name=name)
        async def stand_in(*asked: Any) -> Any:
            self.looks[name] = self.looks.get(name, 0) + 1
            return answer(self.looks[name])

        return stand_in

    @staticmethod
    def _watched(look: int) -> contract.ConcernWatch:
        return contract.ConcernWatch(
            waits=look < 3, next_at=activity.info().current_attempt_scheduled_time + timedelta(hours=4), late=look > 1,
            roles=[Role.SAFEGUARDING_LEAD],
        )  # fmt: skip

    @staticmethod
    def _on_call(look: int) -> contract.OnCall:
        return contract.OnCall(role=Role.SAFEGUARDING_LEAD, person_id=UUID(int=1))

    @staticmethod
    def _delivered(look: int) -> contract.Delivered:
        return contract.Delivered(sent=1)

    @staticmethod
    def _providers(look: int) -> contract.Providers:
        return contract.Providers(providers=[PROVIDER])

    @staticmethod
    def _searched(look: int) -> contract.Searched:
        return contract.Searched(incidents=9, found=2, raised=1, returned=1)

    @staticmethod
    def _compiled(look: int) -> contract.CompiledMeetings:
        """More is due at the first look; the next is in three days."""
        return contract.CompiledMeetings(compiled=25, more=look == 1, next_at=_now() + timedelta(days=3))

    @staticmethod
    def _sent(look: int) -> contract.WebhooksSent:
        return contract.WebhooksSent(events=7, unanswered=0)

    @staticmethod
    def _waiting(look: int) -> contract.WaitingPage:
        waiting = contract.Waiting(provider_id=PROVIDER, role=Role.QUALITY_LEAD, location_id=UUID(int=3))
        return contract.WaitingPage(waiting=[waiting])

    @staticmethod
    def _open(look: int) -> contract.OpenIncidents:
        return contract.OpenIncidents(incidents=[contract.OpenIncident(provider_id=PROVIDER, incident_id=UUID(int=4))])

    @staticmethod
    def _none_open(look: int) -> contract.OpenIncidents:
        return contract.OpenIncidents(incidents=[])

    @staticmethod
    def _compared(look: int) -> Found:
        orphan = contract.OpenIncident(provider_id=PROVIDER, incident_id=UUID(int=4))
        return Found(orphans=[orphan] if look == 1 else [], strays=[])

    @staticmethod
    def _reported(look: int) -> None:
        return None

    def _disposals(self, look: int) -> contract.Disposals:
        records = [
            contract.Disposal(provider_id=PROVIDER, incident_id=UUID(int=n), kind=kind)
            for n, kind in enumerate(self.kinds, start=4)
        ]
        return contract.Disposals(records=records)

    @staticmethod
    def _kept_since(look: int) -> contract.KeptSince:
        return contract.KeptSince(since=None)

    @staticmethod
    def _kept(look: int) -> contract.KeptRecords:
        record = contract.KeptRecord(
            provider_id=PROVIDER, record_id=UUID(int=7), kind=RecordKind.CONCERN, changed_at=_now(), in_use=False
        )
        return contract.KeptRecords(records=[record])

    @staticmethod
    def _kept_nothing(look: int) -> contract.KeptRecords:
        return contract.KeptRecords(records=[])

    @staticmethod
    def _somebody_came_back(look: int) -> contract.ErasedTexts:
        return contract.ErasedTexts(cells=0, files=[], digest="", in_use=True)

    @staticmethod
    def _begun(look: int) -> contract.DisposalBegun:
        """The first is held."""
        return contract.DisposalBegun(begun=look > 1)

    @staticmethod
    def _erased(look: int) -> contract.ErasedTexts:
        return contract.ErasedTexts(cells=3, files=["ab" * 32], digest="cd" * 32)

    @staticmethod
    def _none_used(look: int) -> list[str]:
        return []

    @staticmethod
    def _none_left(look: int) -> int:
        return 0

    @staticmethod
    def _done(look: int) -> None:
        return None


def _now() -> datetime:
    return activity.info().current_attempt_scheduled_time.astimezone(UTC)


async def concern_late(process: Alone) -> None:
    """Nobody answers in time, so it is told again; then somebody does."""
    await process.start(ConcernWorkflow.run, ConcernCase(concern_id=process.id, provider_id=PROVIDER))
    await process.env.sleep(timedelta(hours=13))
    await process.handle.result()


async def glass_broken(process: Alone) -> None:
    """Those who need to know are told until one of them answers."""
    case = GlassCase(break_glass_id=process.id, incident_id=UUID(int=5), provider_id=PROVIDER)
    await process.start(GlassWorkflow.run, case)
    await process.env.sleep(timedelta(hours=13))
    await process.handle.result()


async def meetings_by_cadence(process: Alone) -> None:
    """Agendas at once, more of them, and again when the next are due. It never ends."""
    await process.start(MeetingsWorkflow.run)
    await process.env.sleep(timedelta(days=8))
    assert process.looks[contract.COMPILE_MEETINGS] >= 3


async def patterns_looked_for(process: Alone) -> None:
    """One look at each provider."""
    await process.start(PatternsWorkflow.run)
    assert await process.handle.result() == 2


async def digest_of_a_day(process: Alone) -> None:
    """One word to whoever has something waiting."""
    await process.start(DigestWorkflow.run)
    assert await process.handle.result() == 1


async def webhooks_sent(process: Alone) -> None:
    """One round."""
    await process.start(WebhooksWorkflow.run)
    assert await process.handle.result() == 7


async def orphan_found(process: Alone) -> None:
    """An open record without a process has its events sent again."""
    await process.start(ReconcileWorkflow.run, 120)
    found = await process.handle.result()
    assert Outcome.model_validate(found).orphans == 1


async def records_erased(process: Alone) -> None:
    """Of two records one is held; the other is erased everywhere."""
    await process.start(RetentionWorkflow.run)
    assert Swept.model_validate(await process.handle.result()) == Swept(erased=1, stopped=1)


async def other_records_erased(process: Alone) -> None:
    """Of a record of each kind the incident is held and somebody came back; the others are erased where they are."""
    process.kinds = tuple(RecordKind)
    await process.start(RetentionWorkflow.run)
    assert Swept.model_validate(await process.handle.result()) == Swept(erased=3, stopped=2)


PATHS: Sequence[Callable[[Alone], Any]] = (
    concern_late, glass_broken, meetings_by_cadence, patterns_looked_for, digest_of_a_day, webhooks_sent, orphan_found,
    records_erased, other_records_erased,
)  # fmt: skip
