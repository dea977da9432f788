"""`plumbline scenario`: check a case of the field, play it on the running stack, list those in the checkout."""

import json
from pathlib import Path
from typing import Annotated

import typer

from deploy.local.clock_file import ClockFile
from deploy.local.scenarios.check import Checked, check
from deploy.local.state import PROJECT, Home, Stack, StackError

scenario = typer.Typer(
    add_completion=False, help="Check a scenario file, or play it on the running stack. See docs/scenarios.md."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
File = Annotated[Path, typer.Argument(help="A scenario file (YAML), or the id of one under scenarios/.")]


@scenario.command("check")
def check_file(file: File, as_json: AsJson = False) -> None:
    """Say what is wrong with a scenario, with lines and remedies, without playing it. Exits with 0 if nothing is."""
    checked = _checked(file)
    if as_json:
        findings = [{"line": f.line, "message": f.message, "remedy": f.remedy} for f in checked.findings]
        typer.echo(json.dumps({"file": str(file), "good": not findings, "findings": findings}, indent=1))
    else:
        _print_findings(file, checked)
    raise typer.Exit(1 if checked.findings else 0)


@scenario.command("run")
def run(
    file: File,
    as_json: AsJson = False,
    patience: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Real seconds that a slow machine is given for each step.")
    ] = 45,
) -> None:
    """Play a scenario as its people, and say of each expectation whether it held. Exits with 0 only if all did."""
    from deploy.local.scenarios.play import Outcome, play

    checked = _checked(file)
    if checked.findings or checked.scenario is None:
        _print_findings(file, checked, err=True)
        raise typer.Exit(2)
    stack = Stack.load(Home.default())
    speed, wanted = ClockFile(stack.home).speed, checked.scenario.speed
    if not wanted / 100 <= speed <= wanted * 30:
        raise StackError(
            f"{checked.scenario.id} is written for a clock of {wanted:g} x real time; this one runs at {speed:g}."
            f" Bring the stack down and start it with: plumbline up --detach --clock-speed {wanted:g}"
        )
    if speed != wanted:
        note = (
            f"note: written for a clock of {wanted:g} x real time, played at {speed:g} x: waits take longer or shorter"
        )
        typer.echo(note, err=True)

    def show(said: Outcome | str) -> None:
        if isinstance(said, Outcome) and not as_json:
            mark = typer.style("held", fg="green") if said.held else typer.style("NOT HELD", fg="red", bold=True)
            typer.echo(f"{said.n:>3}  {mark}  {said.what}  (line {said.line})")
            typer.echo(f"     seen: {said.seen}")
            if said.record:
                typer.echo(f"     record: {said.record}")
            if not said.held and (said.why or said.source):
                typer.echo(f"     why it matters: {said.why or ''} {f'[{said.source}]' if said.source else ''}")

    played = play(stack, checked, show, patience)
    if as_json:
        typer.echo(json.dumps(played.to_json(), indent=1))
    else:
        held = sum(outcome.held for outcome in played.expectations)
        typer.echo(
            f"\n{played.scenario}: {held} of {len(played.expectations)} expectations held, in {played.duration_s} s."
        )
    raise typer.Exit(0 if played.held else 1)


@scenario.command("list")
def list_files(as_json: AsJson = False) -> None:
    """The scenarios of this checkout."""
    rows = []
    for path in sorted((PROJECT / "scenarios").glob("*.y*ml")):
        checked = check(path.read_text())
        title = checked.scenario.title if checked.scenario else "cannot be read"
        rows.append({"file": str(path.relative_to(PROJECT)), "title": title, "findings": len(checked.findings)})
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        wrong = f"  ({row['findings']} findings)" if row["findings"] else ""
        typer.echo(f"{row['file']:<28} {row['title']}{wrong}")


def _checked(file: Path) -> Checked:
    known = PROJECT / "scenarios" / f"{file}.yaml"
    path = known if not file.exists() and known.exists() else file
    try:
        return check(path.read_text())
    except OSError:
        raise StackError(f"there is no file '{file}': give its path, or an id of 'plumbline scenario list'") from None
    except UnicodeDecodeError:
        raise StackError(f"'{file}' is not UTF-8 text: save it as plain text") from None


def _print_findings(file: Path, checked: Checked, *, err: bool = False) -> None:
    for finding in checked.findings:
        typer.echo(f"{file}:{finding.line}: {finding.message}. {finding.remedy}", err=err)
    if not checked.findings and checked.scenario is not None:
        typer.echo(f"{file}: nothing wrong. {len(checked.entries)} steps.")
