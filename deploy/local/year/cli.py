"""`plumbline generate year` and `plumbline evaluate patterns`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from deploy.local.state import StackError

generate = typer.Typer(add_completion=False, help="Made-up data.", no_args_is_help=True)
evaluation = typer.Typer(add_completion=False, help="How good what is found is.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Services = Annotated[int, typer.Option(min=20, max=2000, help="How many services the provider has.")]


@generate.callback()
@evaluation.callback()
def _group() -> None:
    """Keeps the command a word of its own while it is the only one of its group."""


@generate.command("year")
def year(
    out: Annotated[Path, typer.Option(help="A folder that is not there yet.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same year.")] = 1,
    services: Services = 200,
    stable: Annotated[bool, typer.Option("--stable", help="Plant nothing.")] = False,
) -> None:
    """Make up a year of a provider: events.jsonl, as reporting consumes them, and truth.json, what was planted."""
    from deploy.local.year.generator import make_year
    from deploy.local.year.lives import complete

    if out.exists():
        raise StackError(f"{out} is there already: name another folder, or move it away")
    made = complete(make_year(seed, services=services, planted=not stable), seed, planted=not stable)
    out.mkdir(parents=True)
    with (out / "events.jsonl").open("w") as file:
        for told in made.told:
            event = {
                "type": told.data.TYPE,
                "version": told.version,
                "time": told.at.isoformat(),
                "provider_id": str(made.provider_id),
                "data": told.data.model_dump(mode="json"),
            }
            file.write(json.dumps(event, separators=(",", ":")) + "\n")
    truth = {
        "seed": seed,
        "services": services,
        "provider_id": str(made.provider_id),
        "first": made.first.isoformat(),
        "end": made.end.isoformat(),
        "planted": [one.view() for one in made.planted],
        "weaknesses": [one.view() for one in made.weaknesses],
    }
    (out / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")
    typer.echo(
        f"{len(made.told):,} events, {len(made.planted)} planted patterns and {len(made.weaknesses)} planted weaknesses in {out}"
    )


@evaluation.command("patterns")
def patterns(
    seeds: Annotated[str, typer.Option(help="Years with planted patterns, by seed.")] = "101,102,103,104,105",
    stable_seeds: Annotated[str, typer.Option(help="Years with nothing planted.")] = "101,102",
    services: Services = 200,
    every_days: Annotated[int, typer.Option(min=1, max=28, help="How often is looked.")] = 14,
    as_json: AsJson = False,
) -> None:
    """Print recall and precision of each kind of pattern and each weakness of the radar, and the false alarms of stable
    years. Takes some minutes a seed.

    Seeds 1 to 5 were for tuning; those from 101 on were not looked at while tuning.
    """
    from deploy.local.year.evaluate import evaluate

    found = evaluate(_numbers(seeds), _numbers(stable_seeds), services=services, every_days=every_days).view()
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        _table(found)


def _numbers(given: str) -> list[int]:
    try:
        return [int(one) for one in given.split(",") if one.strip()]
    except ValueError:
        raise StackError(f"{given!r} is not a list of numbers such as 101,102") from None


def _table(found: dict[str, Any]) -> None:
    table = Table("kind", "planted", "recall", "raised", "precision", "days to find", "false alarms¹")
    for kind, one in found["kinds"].items():
        values = (
            one["planted"], one["recall"], one["raised"], one["precision"], one["median_days_to_find"],
            one["false_alarms_stable_per_100_services_and_month"],
        )  # fmt: skip
        table.add_row(kind, *("-" if value is None else str(value) for value in values))
    console = Console()
    console.print(table)
    console.print("¹ in years with nothing planted, per 100 services and month")
    table = Table("weakness", "planted", "recall", "shown", "precision", "by the benchmark", "false alarms²")
    for name, one in found["weaknesses"].items():
        shown = (
            one["planted"], one["recall"], one["shown"], one["precision"], one["precision_by_the_benchmark"],
            one["false_alarms_stable_per_100_services_judged"],
        )  # fmt: skip
        table.add_row(name, *("-" if value is None else str(value) for value in shown))
    console.print(table)
    console.print("² at the end of years with nothing planted, per 100 services that have enough records to be judged")
