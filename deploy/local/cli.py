"""The `plumbline` command: the whole stack on one machine, without Docker."""

import importlib
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from deploy.local.state import Home, StackError

if TYPE_CHECKING:
    from rich.console import Console

_NEIGHBOURS = {
    "backup": "deploy.local.backup.cli:backup",
    "demo": "deploy.local.demo:command",
    "directory": "deploy.local.imports:directory",
    "evaluate": "deploy.local.year.cli:evaluation",
    "generate": "deploy.local.year.cli:generate",
    "incidents": "deploy.local.imports:incidents",
    "pack": "deploy.local.pack.cli:pack",
    "policy": "deploy.local.policy_files:policy",
    "reporting": "deploy.local.projection:reporting",
    "retention": "deploy.local.retention:retention",
    "scenario": "deploy.local.scenarios.cli:scenario",
    "spc": "deploy.local.spc:spc",
}
"""Commands that live in files of their own, loaded when they are named: together they take seconds to load."""


class _Group(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *_NEIGHBOURS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _NEIGHBOURS:
            return super().get_command(ctx, cmd_name)
        module, _, name = _NEIGHBOURS[cmd_name].partition(":")
        made = typer.main.get_command(getattr(importlib.import_module(module), name))
        made.name = cmd_name
        return made


app = typer.Typer(
    cls=_Group,
    name="plumbline",
    help="Plumbline on one machine: start it, stop it, look at it, get a token for it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def _common(
    home: Annotated[
        Path | None,
        typer.Option(envvar="PLUMBLINE_HOME", help="The state folder.", show_default=".plumbline in the checkout"),
    ] = None,
) -> None:
    if home is not None:
        os.environ["PLUMBLINE_HOME"] = str(home)


@app.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Leave it running in the background.")] = False,
    clock_speed: Annotated[
        float,
        typer.Option(
            envvar="PLUMBLINE_CLOCK_SPEED", min=0.001, help="Seconds that pass on Plumbline's clock in a real second."
        ),
    ] = 1.0,
    clock_start: Annotated[
        datetime | None,
        typer.Option(
            envvar="PLUMBLINE_CLOCK_START",
            help="What Plumbline's clock shows (UTC) when a stack is started for the first time.",
            show_default="real time",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Start only this part and what it needs, for example 'intake'. May be repeated."),
    ] = None,
    prometheus: Annotated[
        bool,
        typer.Option(
            "--prometheus", envvar="PLUMBLINE_PROMETHEUS", help="Start Prometheus too, which must be installed."
        ),
    ] = False,
) -> None:
    """Start the stack; stop it again with Ctrl-C, or with 'plumbline down' if it was detached.

    Servers that exist already are used if PLUMBLINE_ADMIN_DATABASE_URL, PLUMBLINE_TEMPORAL_ADDRESS or
    PLUMBLINE_KAFKA_BOOTSTRAP_SERVERS name them. PLUMBLINE_<PART>_PORT fixes a port.
    """
    from deploy.local import lifecycle
    from deploy.local.clock_file import ClockSetting

    if prometheus:
        os.environ["PLUMBLINE_PROMETHEUS"] = "1"
    first = None if clock_start is None else clock_start.replace(tzinfo=UTC)
    clock = ClockSetting(speed=clock_speed, start=first)
    code = lifecycle.up(Home.default(), clock=clock, only=only or [], detach=detach, console=_console())
    raise typer.Exit(code)


@app.command()
def down() -> None:
    """Stop the stack, also what a killed one left behind. Its data stays; its clock stands still."""
    from deploy.local import lifecycle

    raise typer.Exit(lifecycle.down(Home.default(), _console()))


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show each part as it is at this moment. Exits with 0 if all are ready, else with 1."""
    from deploy.local import progress
    from deploy.local.status import look

    found = look(Home.default())
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        progress.show_status(_console(), found)
    raise typer.Exit(0 if found["ready"] else 1)


@app.command()
def addresses(as_json: AsJson = False) -> None:
    """Print where each part is to be found."""
    from deploy.local import progress
    from deploy.local.state import Stack

    stack = Stack.load(Home.default())
    if as_json:
        typer.echo(json.dumps(stack.addresses(), indent=1))
    else:
        progress.show_addresses(_console(), stack)


@app.command()
def token(
    persona: Annotated[str, typer.Argument(help="Who the token is for: see 'plumbline personas'.")],
    as_json: AsJson = False,
) -> None:
    """Print an access token for a persona of the development issuer, good for an hour.

    For example: curl -H "Authorization: Bearer $(plumbline token carer)" ...
    """
    from deploy.local import tokens
    from deploy.local.state import Stack

    made = tokens.issue_token(Stack.load(Home.default()), persona)
    typer.echo(json.dumps({"access_token": made, "expires_in": tokens.LIFETIME_SECONDS}) if as_json else made)


@app.command()
def personas(as_json: AsJson = False) -> None:
    """List the personas that the development issuer makes tokens for."""
    from deploy.local import tokens
    from deploy.local.personas import PERSONAS

    if as_json:
        typer.echo(json.dumps({name: tokens.claims_of(persona) for name, persona in PERSONAS.items()}, indent=1))
        return
    for name, persona in PERSONAS.items():
        typer.echo(f"{name:<22} {', '.join(persona.roles)}")


def _console() -> "Console":
    from rich.console import Console

    return Console()


def main() -> None:
    """Run the command line. What a person can put right is said in one line, without a traceback."""
    try:
        app()
    except StackError as error:
        typer.secho(f"error: {error}", err=True, fg="red" if sys.stderr.isatty() else None)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
