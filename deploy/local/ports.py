"""Which port each part listens on: chosen at the first `up`, the same ones after that."""

import os
import random
import socket
import time
from collections.abc import Mapping

from deploy.local.state import StackError

PREFERRED = {
    "console": 7700,
    "directory": 7701,
    "intake": 7702,
    "review": 7703,
    "actions": 7704,
    "reporting": 7705,
    "workflows": 7706,
    "workflows_temporal_metrics": 7707,
    "issuer": 7710,
    "postgres": 7720,
    "temporal": 7730,
    "temporal_ui": 7731,
    "temporal_http": 7732,
    "temporal_metrics": 7733,
    "kafka": 7740,
    "directory_temporal_metrics": 7751,
    "intake_temporal_metrics": 7752,
    "review_temporal_metrics": 7753,
    "actions_temporal_metrics": 7754,
    "reporting_temporal_metrics": 7755,
    "prometheus": 7760,
}

# Below the range that Linux and macOS take outgoing connections from: those could hold a port when a part comes back.
_BLOCKS = range(20_000, 32_000, 32)
"""A stack takes its ports from one block: parts listen half a minute after they were chosen, and of two stacks that start
at once with each of 21 ports at random, one pair in 28 would meet."""

# A process killed a moment ago may still hold its port, and so may somebody else's outgoing connection.
_PATIENCE_SECONDS = 5.0


def choose(kept: Mapping[str, int], *, preferred: bool) -> dict[str, int]:
    """A port for every part.

    `PLUMBLINE_<PART>_PORT` wins; then the port kept from the last run if nobody has taken it, or gives it back within
    some seconds: tokens and bookmarks hold it; then the preferred one; then one of a block at
    random. Without `preferred` all are of such a block, so that several stacks can start at once.
    """
    chosen: dict[str, int] = {}
    patient_until = time.monotonic() + _PATIENCE_SECONDS
    blocks = random.sample(_BLOCKS, 50)
    for place, (part, favourite) in enumerate(PREFERRED.items()):
        ordered = os.environ.get(f"PLUMBLINE_{part.upper()}_PORT")
        if ordered:
            chosen[part] = _ordered(part, ordered)
            continue
        candidates = [kept[part]] if part in kept and _comes_free(kept[part], patient_until) else []
        candidates += [favourite] if preferred else []
        candidates += [block + place for block in blocks]
        taken = set(chosen.values())
        port = next((port for port in candidates if port not in taken and is_free(port)), None)
        if port is None:
            raise StackError(f"found no free port for {part}: set PLUMBLINE_{part.upper()}_PORT to one")
        chosen[part] = port
    return chosen


def _comes_free(port: int, deadline: float) -> bool:
    while not is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def is_free(port: int) -> bool:
    """Whether nobody listens on the port of this machine. Connections that are still closing do not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _ordered(part: str, value: str) -> int:
    name = f"PLUMBLINE_{part.upper()}_PORT"
    if not value.isdigit() or not 0 < int(value) < 65_536:
        raise StackError(f"{name}={value} is not a port: give a number from 1 to 65535")
    if not is_free(int(value)):
        raise StackError(f"{name}={value} is in use by another program: choose another port")
    return int(value)
