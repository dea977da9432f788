"""On Temporal's server with PostgreSQL, as Compose runs it: what the processes rely on, and that a kill loses none of them."""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from deploy.local.parts import MIGRATIONS
from services.runtime.temporal import data_converter
from tests.deployment.temporal import server
from tests.load.lives import Lives
from tests.load.rig import rig
from tests.workflow.conftest import KEYS
from tests.workflow.test_reconciler import test_urgent_work_overtakes_a_backlog
from tests.workflow.test_versions import (
    deployment,
    test_an_incident_goes_on_under_the_current_version_and_never_under_another,
)

__all__ = (
    "deployment",
    "test_an_incident_goes_on_under_the_current_version_and_never_under_another",
    "test_urgent_work_overtakes_a_backlog",
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(server.missing() is not None, reason=f"NOT RUN ON TEMPORAL'S SERVER: {server.missing()}"),
    pytest.mark.xdist_group("temporal-server"),
]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for the client that the tests of this file share."""
    return "asyncio"


@pytest.fixture(scope="module")
def temporal(run_folder: Path) -> Iterator[server.Server]:
    """The server that Compose describes."""
    with (
        rig("postgres", MIGRATIONS) as servers,
        server.running(run_folder / "temporal-server", servers.admin_url) as running,
    ):
        yield running


@pytest.fixture(scope="module")
async def client(temporal: server.Server) -> Client:
    """A client of the namespace that Compose makes."""
    return await Client.connect(temporal.address, namespace=temporal.namespace, data_converter=data_converter(KEYS))


@pytest.fixture(scope="module")
async def dev(client: Client) -> WorkflowEnvironment:
    """In place of the development server, for tests that were written for it."""
    return WorkflowEnvironment.from_client(client)


@pytest.fixture(scope="module", name="server")
async def server_of_versions(client: Client) -> WorkflowEnvironment:
    """The same."""
    return WorkflowEnvironment.from_client(client)


def test_schema_and_namespace_can_be_made_again(temporal: server.Server) -> None:
    before = temporal.make_schema()
    assert "UpdateSchemaTask done" in before
    temporal.make_namespace()


async def test_incidents_go_from_report_to_closed(client: Client) -> None:
    async with Lives(client) as lives:
        begun = await asyncio.gather(*(lives.begin() for _ in range(10)))
        await asyncio.wait_for(asyncio.gather(*(handle.result() for handle in begun)), 120)


async def test_killed_in_the_middle_and_started_again_it_leads_all_to_their_end(
    temporal: server.Server, client: Client
) -> None:
    async with Lives(client) as lives:
        begun = await asyncio.gather(*(lives.begin() for _ in range(20)))
        await asyncio.sleep(1)
        temporal.kill()
        with pytest.raises(RPCError):
            await begun[0].describe(rpc_timeout=timedelta(seconds=1))
        temporal.start()
        ended = await asyncio.wait_for(asyncio.gather(*(_ended(client, handle.id) for handle in begun)), 300)
    assert ended == [True] * len(begun)


async def _ended(client: Client, workflow_id: str) -> bool:
    """Whether a process ended by itself, as soon as it has; a client that was cut off asks again."""
    while True:
        with contextlib.suppress(RPCError):
            await client.get_workflow_handle(workflow_id).result(rpc_timeout=timedelta(seconds=10))
            return True
        await asyncio.sleep(0.5)
