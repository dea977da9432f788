"""Which version of the process a worker runs, and which of them Temporal gives work to (decision 0033).

Named by the operator, a worker says to Temporal of which deployment and build it is. Temporal then gives new and running
processes to the current version only, so that none is taken back to older code while a deployment rolls. A deployment is
made current once its workers are there: `python -m workflows promote`.
"""

import asyncio
import logging
from datetime import timedelta
from importlib.metadata import version

from temporalio.api.enums.v1 import RoutingConfigUpdateState
from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentRequest, SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import WorkerDeploymentConfig

logger = logging.getLogger(__name__)

_NOT_YET = (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.UNAVAILABLE)
"""What Temporal answers while no worker of the version has been seen, or not on every task queue."""


def release() -> str:
    """The release that this code is of."""
    return version("plumbline")


def deployment_config(of: WorkerDeploymentVersion | None) -> WorkerDeploymentConfig | None:
    """What a worker says of itself; None where versions are not told apart. A process goes on under the current version."""
    if of is None:
        return None
    return WorkerDeploymentConfig(
        version=of, use_worker_versioning=True, default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE
    )


async def promote(client: Client, of: WorkerDeploymentVersion, *, patience: timedelta = timedelta(minutes=5)) -> None:
    """Make a version the current one, as soon as its workers are there, and wait until work is given to it. Safe to repeat,
    and to go back with.

    Raises TimeoutError when none of its workers is seen within `patience`: what was current stays so.
    """
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name=of.deployment_name, build_id=of.build_id, identity=client.identity
    )
    async with asyncio.timeout(patience.total_seconds()):
        while True:
            try:
                await client.workflow_service.set_worker_deployment_current_version(request)
            except RPCError as error:
                if error.status not in _NOT_YET:
                    raise
                await asyncio.sleep(0.5)
            else:
                break
        # Said, and known to each part of the server that hands out work, are two moments.
        asked = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=of.deployment_name)
        while True:
            told = (await client.workflow_service.describe_worker_deployment(asked)).worker_deployment_info
            if told.routing_config_update_state != RoutingConfigUpdateState.ROUTING_CONFIG_UPDATE_STATE_IN_PROGRESS:
                logger.info("version is current", extra={"version": of.to_canonical_string()})
                return
            await asyncio.sleep(0.1)
