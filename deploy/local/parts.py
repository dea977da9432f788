"""What the stack is made of: each part's command, environment, what it needs first, and how it shows that it is ready.

    postgres ─► migrations ─┐
    temporal ───────────────┼─► directory, intake, review, actions, reporting
    kafka ──────────────────┤
    issuer ─────────────────┘      workflows needs temporal and kafka, console needs issuer

A server can run elsewhere instead: `PLUMBLINE_ADMIN_DATABASE_URL`, `PLUMBLINE_TEMPORAL_ADDRESS` and
`PLUMBLINE_KAFKA_BOOTSTRAP_SERVERS` name one that exists. The stack then waits for it, and neither starts nor stops it.
"""

import functools
import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from deploy.local import broker, postgres, prometheus, temporal_server, tokens
from deploy.local.credentials import Credentials
from deploy.local.personas import PROVIDER
from deploy.local.probes import answers_ok, listens
from deploy.local.state import Home, StackError

MIGRATIONS = "migrations"
SERVICES = ("directory", "intake", "review", "actions", "reporting")


@dataclass(frozen=True)
class Part:
    """One part of the stack.

    Without a command it runs elsewhere. With `once` it is a task: ready when it has ended well. `prepare` runs before
    each start and may answer a note for people; `settle` runs when the part answers, before it counts as ready.
    """

    name: str
    command: Sequence[str] | None
    ready: Callable[[], bool]
    address: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    once: bool = False
    prepare: Callable[[], str] | None = None
    settle: Callable[[], None] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    account: postgres.Account | None = None


@dataclass(frozen=True)
class Servers:
    """Where the three servers are, whether started here or elsewhere."""

    database: postgres.Database
    temporal: str
    kafka: str


def all_parts(home: Home, ports: Mapping[str, int], credentials: Credentials) -> list[Part]:
    """Every part, in the order of starting. See `select` for those that can run."""
    servers = Servers(
        database=postgres.Database.local(ports["postgres"], credentials.postgres_admin)
        if not (database := os.environ.get("PLUMBLINE_ADMIN_DATABASE_URL"))
        else postgres.Database.elsewhere(database),
        temporal=os.environ.get("PLUMBLINE_TEMPORAL_ADDRESS") or f"127.0.0.1:{ports['temporal']}",
        kafka=os.environ.get("PLUMBLINE_KAFKA_BOOTSTRAP_SERVERS") or f"127.0.0.1:{ports['kafka']}",
    )
    shared = _shared_environment(home, ports, credentials, servers)
    return [
        _postgres(home, ports, servers),
        _temporal(home, ports, servers),
        _kafka(ports, servers),
        _issuer(home, ports),
        _migrations(home, servers),
        *(_service(service, ports, credentials, servers.database, shared) for service in SERVICES),
        _program(
            "workflows",
            ports["workflows"],
            ("workflows", "all"),
            env=shared | {"PLUMBLINE_TEMPORAL_METRICS_PORT": str(ports["workflows_temporal_metrics"])},
            needs=("temporal", "kafka"),
        ),
        _program(
            "console",
            ports["console"],
            ("services.console", "all"),
            env={
                **shared,
                "PLUMBLINE_CONSOLE_PUBLIC_URL": f"http://127.0.0.1:{ports['console']}",
                "PLUMBLINE_CONSOLE_SESSION_KEYS": credentials.console_session_keys,
                "PLUMBLINE_CONSOLE_SPEAK_UP_URL": _speak_up(ports),
            },
            needs=("issuer",),
        ),
        *([_prometheus(home, ports)] if os.environ.get("PLUMBLINE_PROMETHEUS") else []),
    ]


def select(parts: Sequence[Part], only: Iterable[str]) -> tuple[list[Part], list[str]]:
    """The parts to run, and the names of those left out because their code is not in this checkout.

    `only` names parts; what they need comes with them. Without it, all parts.
    """
    named = {part.name: part for part in parts}
    wanted: set[str] = set()
    ask = list(only) or list(named)
    while ask:
        name = ask.pop()
        if name not in named:
            raise StackError(f"there is no part '{name}': choose from {', '.join(named)}")
        if name not in wanted:
            wanted.add(name)
            ask += named[name].needs
    absent = {part.name for part in parts if part.name in wanted and not _code_is_here(part)}
    services = tuple(name for name in SERVICES if name in wanted - absent)
    chosen = [_for_services(part, services) for part in parts if part.name in wanted - absent]
    return chosen, sorted(absent)


def role_names() -> list[str]:
    """The database logins: for each service the one it runs as, and the one of its relay."""
    return [role for service in SERVICES for role in (f"plumbline_{service}", f"plumbline_{service}_system")]


def _postgres(home: Home, ports: Mapping[str, int], servers: Servers) -> Part:
    database = servers.database
    if not database.is_local:
        return Part("postgres", None, database.answers, address=database.place)
    return Part(
        "postgres",
        postgres.command(home, ports["postgres"]),
        database.answers,
        address=database.place,
        prepare=functools.partial(postgres.prepare, home, database),
        settle=database.create,
        # A fast shutdown: clients are disconnected, nothing is lost, no recovery is needed at the next start.
        stop_signal=signal.SIGINT,
        account=postgres.account(),
    )


def _temporal(home: Home, ports: Mapping[str, int], servers: Servers) -> Part:
    if os.environ.get("PLUMBLINE_TEMPORAL_ADDRESS"):
        return Part("temporal", None, functools.partial(_listens, servers.temporal), address=servers.temporal)
    return Part(
        "temporal",
        temporal_server.command(home, ports),
        functools.partial(answers_ok, ports["temporal_http"], "/api/v1/namespaces/default"),
        address=servers.temporal,
        settle=functools.partial(temporal_server.register_search_attributes, servers.temporal),
    )


def _kafka(ports: Mapping[str, int], servers: Servers) -> Part:
    first = servers.kafka.split(",")[0]
    return Part(
        "kafka",
        None if os.environ.get("PLUMBLINE_KAFKA_BOOTSTRAP_SERVERS") else broker.command(ports["kafka"]),
        functools.partial(_listens, first),
        address=servers.kafka,
    )


def _issuer(home: Home, ports: Mapping[str, int]) -> Part:
    url = f"http://127.0.0.1:{ports['issuer']}"
    return _program(
        "issuer",
        ports["issuer"],
        ("deploy.local.issuer",),
        env={
            "PLUMBLINE_HOME": str(home.path),
            "PLUMBLINE_OIDC_ISSUER": url,
            "PLUMBLINE_ENVIRONMENT": "local",
            "PLUMBLINE_CONSOLE_SPEAK_UP_URL": _speak_up(ports),
        },
        prepare=functools.partial(tokens.create_key, home),
    )


def _speak_up(ports: Mapping[str, int]) -> str:
    """Where the demonstration's people and their families raise a concern, without signing in."""
    return f"http://127.0.0.1:{ports['intake']}/speak-up/to/{PROVIDER}"


def _migrations(home: Home, servers: Servers) -> Part:
    """The schemas of all services to be run, whose names `select` adds to the command."""
    return Part(
        MIGRATIONS,
        (sys.executable, "-m", "deploy.local.migrations"),
        lambda: True,
        env={"PLUMBLINE_HOME": str(home.path), "PLUMBLINE_ADMIN_DATABASE_URL": servers.database.admin_url},
        needs=("postgres",),
        once=True,
    )


def _service(
    service: str,
    ports: Mapping[str, int],
    credentials: Credentials,
    database: postgres.Database,
    shared: Mapping[str, str],
) -> Part:
    role = f"plumbline_{service}"
    return _program(
        service,
        ports[service],
        (f"services.{service}", "all"),
        env={
            **shared,
            "PLUMBLINE_DATABASE_URL": database.url(role, credentials.roles[role]),
            "PLUMBLINE_SYSTEM_DATABASE_URL": database.url(f"{role}_system", credentials.roles[f"{role}_system"]),
            "PLUMBLINE_TEMPORAL_METRICS_PORT": str(ports[f"{service}_temporal_metrics"]),
        },
        needs=(MIGRATIONS, "temporal", "kafka", "issuer"),
    )


def _prometheus(home: Home, ports: Mapping[str, int]) -> Part:
    """Scrapes what is there; what does not run shows as down."""
    own = [f"127.0.0.1:{ports[name]}" for name in (*SERVICES, "workflows", "console")]
    sdk = [f"127.0.0.1:{ports[f'{name}_temporal_metrics']}" for name in (*SERVICES, "workflows")]
    return Part(
        "prometheus",
        prometheus.command(home, ports["prometheus"]),
        functools.partial(answers_ok, ports["prometheus"], "/-/ready"),
        address=f"http://127.0.0.1:{ports['prometheus']}",
        prepare=functools.partial(prometheus.configure, home, own, sdk),
    )


def _shared_environment(
    home: Home, ports: Mapping[str, int], credentials: Credentials, servers: Servers
) -> dict[str, str]:
    issuer = f"http://127.0.0.1:{ports['issuer']}"
    return {
        "PLUMBLINE_ENVIRONMENT": "local",
        "PLUMBLINE_CLOCK_FILE": str(home.clock),
        "PLUMBLINE_ATTACHMENTS_URL": f"file://{home.path}/attachments",
        "PLUMBLINE_KAFKA_BOOTSTRAP_SERVERS": servers.kafka,
        "PLUMBLINE_TEMPORAL_ADDRESS": servers.temporal,
        "PLUMBLINE_TEMPORAL_NAMESPACE": os.environ.get("PLUMBLINE_TEMPORAL_NAMESPACE", "default"),
        "PLUMBLINE_TEMPORAL_CODEC_KEYS": credentials.temporal_codec_keys,
        "PLUMBLINE_NOTICE_LINK": os.environ.get("PLUMBLINE_NOTICE_LINK", f"http://127.0.0.1:{ports['console']}"),
        "PLUMBLINE_OIDC_ISSUER": issuer,
        "PLUMBLINE_OIDC_AUDIENCE": tokens.AUDIENCE,
        "PLUMBLINE_OIDC_JWKS_URL": f"{issuer}/jwks.json",
        **{f"PLUMBLINE_{service.upper()}_URL": f"http://127.0.0.1:{ports[service]}" for service in SERVICES},
    }


def _program(
    name: str,
    port: int,
    module_and_role: Sequence[str],
    *,
    env: Mapping[str, str],
    needs: tuple[str, ...] = (),
    prepare: Callable[[], str] | None = None,
) -> Part:
    """One of our own processes: a Python module that answers on a port of its own."""
    return Part(
        name,
        (sys.executable, "-m", *module_and_role),
        functools.partial(answers_ok, port, "/readyz"),
        address=f"http://127.0.0.1:{port}",
        env={**env, "PLUMBLINE_HTTP_HOST": "127.0.0.1", "PLUMBLINE_HTTP_PORT": str(port)},
        needs=needs,
        prepare=prepare,
    )


def _code_is_here(part: Part) -> bool:
    """Whether the module that a part runs exists. Parts that are no Python module are always here."""
    if part.command is None or tuple(part.command[:2]) != (sys.executable, "-m"):
        return True
    module = part.command[2]
    try:
        found = importlib.util.find_spec(module)
        if found is not None and found.submodule_search_locations is not None:
            found = importlib.util.find_spec(f"{module}.__main__")
    except ModuleNotFoundError:
        return False
    return found is not None


def _for_services(part: Part, services: tuple[str, ...]) -> Part:
    """The part as it is, but migrations only of the services that will run."""
    if part.name != MIGRATIONS or part.command is None:
        return part
    return replace(part, command=(*part.command, *services))


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    return listens(host, int(port))
