"""`python -m tests.deployment.temporal`: a PostgreSQL, and Temporal's server on it, until interrupted."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from deploy.local.parts import MIGRATIONS
from tests.deployment.temporal import server
from tests.load.rig import rig


def main() -> int:
    """The command line: prints how the stack and the benchmarks are told to use it, then waits."""
    parser = argparse.ArgumentParser(prog="python -m tests.deployment.temporal", description=__doc__)
    parser.parse_args()
    if (said := server.missing()) is not None:
        print(said, file=sys.stderr)
        return 2
    with (
        tempfile.TemporaryDirectory(prefix="plumbline-temporal-") as folder,
        rig("postgres", MIGRATIONS) as servers,
        server.running(Path(folder) / "temporal", servers.admin_url, namespace="default") as temporal,
    ):
        print(f"PLUMBLINE_TEMPORAL_ADDRESS={temporal.address}", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


if __name__ == "__main__":
    sys.exit(main())
