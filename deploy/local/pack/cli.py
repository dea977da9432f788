"""`plumbline pack build` and `plumbline pack verify`."""

import json
import secrets
from datetime import datetime
from pathlib import Path
from typing import Annotated

import httpx
import typer

from deploy.local.state import Home, Stack, StackError
from services.reporting.packs import manifest

pack = typer.Typer(
    add_completion=False, help="Evidence packs: what followed a sample of incidents, gaps first, verifiable by anybody."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_DAY = ["%Y-%m-%d"]


@pack.command("build")
def build(
    out: Annotated[Path, typer.Option(help="The file to write.")],
    location: Annotated[str | None, typer.Option(help="A location: a random five, and all that is serious.")] = None,
    theme: Annotated[str | None, typer.Option(help="A theme: its members.")] = None,
    incident: Annotated[str | None, typer.Option(help="One incident.")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="A location of the demonstration.")] = False,
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=_DAY, help="First day of reports.", show_default="a year before"),
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=_DAY, help="Last day of reports.", show_default="today")
    ] = None,
    who: Annotated[str, typer.Option("--as", help="Who builds it: see 'plumbline personas'.")] = "quality_lead",
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Of the draw; let the reader of the pack name it.", show_default="a random one"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Build a pack from the running stack, as a person with a role: what that role may not see is not in it."""
    if [location is not None, theme is not None, incident is not None, demo].count(True) != 1:
        raise StackError("say what the pack is of: one of --location, --theme, --incident and --demo")
    if (first or last) and not (location or demo):
        raise StackError("--from and --to go with --location or --demo")
    from deploy.local.people import Person, Refused
    from deploy.local.tokens import persona
    from services.reporting.packs import gather
    from services.reporting.packs.build import Asked, CannotBuild
    from services.reporting.packs.build import build as made_of

    class Reader:
        """The person, as a pack reads."""

        def __init__(self, person: Person) -> None:
            self._person = person

        def get(self, service: str, path: str, **query: object) -> object:
            """Read."""
            try:
                return self._person.get(service, path, **query)
            except Refused as refused:
                raise gather.Refused(refused.status, str(refused)) from None

    builder = persona(who)
    asked = Asked(location, theme, incident, demo, first.date() if first else None, last.date() if last else None)
    chosen = secrets.randbelow(10**9) if seed is None else seed
    with httpx.Client(timeout=60) as http:
        reader = Reader(Person(Stack.load(Home.default()), builder, http))
        try:
            built = made_of(reader, builder.roles[0], asked, chosen)
        except (CannotBuild, gather.Refused) as why:
            raise StackError(str(why)) from None
    try:
        out.write_bytes(built.content)
    except OSError as error:
        raise StackError(f"{out} cannot be written: {error.strerror}") from None
    if as_json:
        told = {"pack_id": built.pack_id, "file": str(out), "title": built.title, "seed": chosen}
        typer.echo(json.dumps({**told, "incidents": built.incidents, "gaps": built.gaps}, indent=1))
        return
    typer.echo(f"{built.title}\n{built.incidents} incidents, {built.gaps} gaps; {len(built.content):,} bytes in {out}")
    typer.echo(
        "Read it before you hand it over: names of people receiving care that somebody typed cannot be recognised."
    )
    typer.echo(f"Pack id, to be handed over apart from the file: {built.pack_id}")


@pack.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(help="A pack.")],
    expect: Annotated[str | None, typer.Option(help="The pack id that you were given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check every file and every audit chain of a pack. Needs no running stack. Exits with 1 if anything is different."""
    try:
        found = manifest.check(file.read_bytes())
    except OSError as error:
        raise StackError(f"{file} cannot be read: {error.strerror}") from None
    faults = list(found.faults)
    if expect is not None and expect.lower() != found.pack_id:
        faults.append(manifest.Fault(manifest.MANIFEST, "is of another pack: the id is not the one that was given"))
    if as_json:
        told = {"holds": not faults, "pack_id": found.pack_id, "files": found.files, "chains": found.chains}
        listed = [{"file": fault.file, "what": fault.what} for fault in faults]
        typer.echo(json.dumps({**told, "entries": found.entries, "faults": listed}, indent=1))
    else:
        for fault in faults:
            typer.echo(f"{fault.file} {fault.what}")
        verdict = f"{len(faults)} differences: this is not the pack that was built." if faults else "As it was built."
        typer.echo(f"{verdict} {found.files} files, {found.chains} audit chains with {found.entries} entries.")
        typer.echo(f"Pack id: {found.pack_id}")
    raise typer.Exit(1 if faults else 0)
