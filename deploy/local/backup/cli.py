"""`plumbline backup`: take one, see that it is whole, restore it, look at what must hold, and drill all of it."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from deploy.local.backup import archive, proof
from deploy.local.state import Home, StackError

backup = typer.Typer(add_completion=False, no_args_is_help=True, help="Backups of a stack: docs/runbooks/restore.md.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Source = Annotated[Path, typer.Argument(help="The folder of a backup.")]


@backup.command()
def create(out: Annotated[Path, typer.Option(help="A folder that is not there yet.")], as_json: AsJson = False) -> None:
    """Back up the running stack. Keys and passwords are not in it: keep secrets.json of the state folder elsewhere."""
    made = archive.create(Home.default(), out.resolve())
    _print(asdict(made), as_json, f"{sum(made.rows.values()):,} rows and {len(made.checksums):,} files are in {out}")


@backup.command()
def check(source: Source, as_json: AsJson = False) -> None:
    """See that a backup is whole: every file is there and as it was written. Needs no running stack."""
    made = archive.check(source.resolve())
    _print(
        asdict(made), as_json, f"whole: {sum(made.rows.values()):,} rows as of {made.begun_at}, release {made.release}"
    )


@backup.command()
def restore(
    source: Source,
    keys: Annotated[Path | None, typer.Option(help="The secrets.json that was kept elsewhere.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make an empty state folder (--home) from a backup; then start it with 'plumbline up'."""
    if keys is not None and not keys.is_file():
        raise StackError(f"{keys} is not there")
    made = archive.restore(source.resolve(), Home.default(), Console(stderr=True), keys=keys)
    _print(asdict(made), as_json, f"restored as of {made.begun_at}: start it with 'plumbline up'")


@backup.command()
def verify(as_json: AsJson = False) -> None:
    """Look at every audit chain and every file of the running stack. Exits with 1 if one does not hold."""
    home = Home.default()
    found = proof.prove(archive.database_of(home), home.path / "attachments")
    said = f"{found.chains:,} chains with {found.entries:,} entries and {found.files:,} files: {len(found.broken)} do not hold"
    _print(asdict(found), as_json, "\n".join([said, *found.broken]))
    raise typer.Exit(1 if found.broken else 0)


@backup.command()
def drill(as_json: AsJson = False) -> None:
    """Lose a whole stack and bring it back, in a scratch folder: play, back up, play on, destroy, restore, look at all."""
    from deploy.local.backup.drill import Drill

    with tempfile.TemporaryDirectory(prefix="plumbline-drill-") as scratch:
        Path(scratch).chmod(0o755)
        done = Drill(Path(scratch), Console(stderr=True)).run()
    _print(asdict(done), as_json, done.said())
    raise typer.Exit(0 if done.held else 1)


def _print(found: dict[str, Any], as_json: bool, said: str) -> None:
    typer.echo(json.dumps(found, indent=1) if as_json else said)
