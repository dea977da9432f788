"""Records that two people have decided to destroy are erased in every service, on a Temporal schedule, every night.

First each service tells intake of its records that are not of one incident and have ended, so that they become due in their
time. Then intake hides a record and says whether it may go on; from there nothing stops it but its owner, where that is another
service: it erases first, under a lock, or says that the record is in use. Each service erases what it holds and proves it; files
go when no other record has them. What fails is tried again, for ever: a run that is lost is taken up by the next, for every
step may be repeated.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from services.contracts import activities
    from services.contracts.taxonomy import RecordKind

PAGE = 100
HOLDERS = {
    RecordKind.INCIDENT: (
        activities.REVIEW_QUEUE, activities.ACTIONS_QUEUE, activities.REPORTING_QUEUE, activities.INTAKE_QUEUE
    ),
    RecordKind.CONCERN: (activities.INTAKE_QUEUE,),
    RecordKind.THEME: (
        activities.REVIEW_QUEUE, activities.ACTIONS_QUEUE, activities.REPORTING_QUEUE, activities.INTAKE_QUEUE
    ),
    RecordKind.MEETING: (activities.REPORTING_QUEUE, activities.INTAKE_QUEUE),
    RecordKind.PERSON: (activities.DIRECTORY_QUEUE, activities.REVIEW_QUEUE, activities.INTAKE_QUEUE),
}  # fmt: skip
"""Who holds texts of records, the owner first. Intake last: what it says of a record is what the others go by."""
OWNERS = {
    RecordKind.CONCERN: activities.INTAKE_QUEUE,
    RecordKind.THEME: activities.REVIEW_QUEUE,
    RecordKind.MEETING: activities.REPORTING_QUEUE,
    RecordKind.PERSON: activities.DIRECTORY_QUEUE,
}
"""Whose a record that is not of one incident is."""
KEEPERS_OF_FILES = (activities.ACTIONS_QUEUE, activities.REPORTING_QUEUE, activities.INTAKE_QUEUE)
REPLIERS = (*HOLDERS[RecordKind.INCIDENT], activities.DIRECTORY_QUEUE)

_RETRY = RetryPolicy(initial_interval=timedelta(seconds=5), maximum_interval=timedelta(minutes=10))
Answer = TypeVar("Answer")


class Swept(BaseModel):
    """What a sweep did: records erased, and those that something spoke against. `after`: the last it came to."""

    erased: int = 0
    stopped: int = 0
    after: UUID | None = None


@workflow.defn(name="RetentionWorkflow")
class RetentionWorkflow:
    """One sweep over all providers. A long one goes on in another run, after the last record it came to."""

    @workflow.run
    async def run(self, so_far: Swept | None = None) -> Swept:
        """Answers what was done."""
        swept = so_far or Swept()
        if so_far is None:
            for queue in REPLIERS:
                await self._ask(f"{queue}.{activities.CLEAR_REPLIES}", queue, int)
            if workflow.patched("other-records"):
                for kind, queue in OWNERS.items():
                    await self._learn(kind, queue)
        while True:
            query = activities.ListOpenIncidents(after=swept.after, limit=PAGE)
            page = await self._ask(activities.LIST_DISPOSALS, activities.INTAKE_QUEUE, activities.Disposals, query)
            for record in page.records:
                if await self._dispose(record):
                    swept.erased += 1
                else:
                    swept.stopped += 1
            if len(page.records) < PAGE:
                return swept
            swept.after = page.records[-1].incident_id
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(swept)

    async def _learn(self, kind: RecordKind, owner: str) -> None:
        """Let intake know which records of a kind have changed since it heard of them."""
        known = await self._ask(activities.KEPT_SINCE, activities.INTAKE_QUEUE, activities.KeptSince, kind)
        query = activities.ListKept(since=known.since)
        while True:
            page = await self._ask(f"{owner}.{activities.LIST_KEPT}", owner, activities.KeptRecords, query)
            if page.records:
                await self._ask(activities.KEEP_RECORDS, activities.INTAKE_QUEUE, type(None), page)
            if len(page.records) < query.limit:
                return
            last = page.records[-1]
            query = query.model_copy(update={"after_at": last.changed_at, "after_id": last.record_id})

    async def _dispose(self, record: activities.Disposal) -> bool:
        def of(step: str) -> dict[str, Any]:
            return {"command_id": f"{record.incident_id}:{step}", **record.model_dump(exclude={"kind"})}

        begun = await self._ask(
            activities.BEGIN_DISPOSAL, activities.INTAKE_QUEUE, activities.DisposalBegun,
            activities.BeginDisposal(kind=record.kind, **of("begin")),
        )  # fmt: skip
        if not begun.begun:
            return False
        proofs: dict[str, activities.ErasedTexts] = {}
        for queue in HOLDERS[record.kind]:
            erase = activities.Erase(kind=record.kind, last_used_at=begun.last_used_at, **of(queue))
            proof = await self._ask(f"{queue}.{activities.ERASE}", queue, activities.ErasedTexts, erase)
            if proof.in_use:
                stop = activities.StopDisposal(last_used_at=proof.last_used_at, **of("stop"))
                await self._ask(activities.STOP_DISPOSAL, activities.INTAKE_QUEUE, type(None), stop)
                return False
            proofs[queue] = proof
        files = sorted({file for proof in proofs.values() for file in proof.files})
        finish = activities.FinishDisposal(
            removable=await self._unused(record.provider_id, files),
            elsewhere={queue: proof for queue, proof in proofs.items() if queue != activities.INTAKE_QUEUE},
            **of("finish"),
        )
        await self._ask(activities.FINISH_DISPOSAL, activities.INTAKE_QUEUE, type(None), finish)
        return True

    async def _unused(self, provider_id: UUID, files: Sequence[str]) -> list[str]:
        """The files that no record has any more: the same file may be attached to several."""
        left = set(files)
        for queue in KEEPERS_OF_FILES:
            if left:
                query = activities.FilesInUse(provider_id=provider_id, files=sorted(left))
                left -= set(await self._ask(f"{queue}.{activities.FILES_IN_USE}", queue, list[str], query))
        return sorted(left)

    async def _ask(self, name: str, queue: str, answer: type[Answer], *arguments: Any) -> Answer:
        made: Answer = await workflow.execute_activity(
            name, args=arguments, task_queue=queue, result_type=answer, start_to_close_timeout=timedelta(minutes=5),
            retry_policy=_RETRY,
        )  # fmt: skip
        return made
