"""`plumbline spc case`: what Plumbline's statistics answer to a reference case."""

import json
from pathlib import Path
from typing import Annotated

import typer

from deploy.local.state import StackError

spc = typer.Typer(
    add_completion=False, help="Statistical process control: the charts and comparisons that verdicts rest on."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON; so it does without.")]
AsText = Annotated[bool, typer.Option("--text", help="Print one line an analysis, for people.")]
File = Annotated[Path, typer.Argument(help="A case: JSON that names a CSV beside it.")]


@spc.callback()
def _group() -> None:
    """Keeps `case` a word of its own while it is the only command of its group."""


@spc.command("case")
def case(file: File, as_json: AsJson = False, as_text: AsText = False) -> None:
    """Compute all analyses of a case and print them in its schema, as JSON."""
    from deploy.local import spc_case

    if as_json and as_text:
        raise StackError("--json and --text are two answers: ask for one of them.")
    try:
        answered = spc_case.answer(file)
    except (OSError, ValueError) as error:
        raise StackError(str(error)) from None
    if not as_text:
        typer.echo(json.dumps(answered, indent=1, allow_nan=False))
        return
    for analysis in answered["analyses"]:
        typer.echo(f"{analysis['analysis_id']}: {_line(analysis['result'])}")


def _line(result: dict[str, object]) -> str:
    shown = {name: value for name, value in result.items() if name not in ("points", "segments")}
    segments = result.get("segments")
    if isinstance(segments, list) and segments:
        shown = {"segments": len(segments), "centre": segments[-1].get("centre"), **shown}
    return ", ".join(f"{name} {value}" for name, value in shown.items())
