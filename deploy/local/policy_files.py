"""`plumbline policy`: check a policy file, or back-test one. Nothing has to run."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from deploy.local.state import StackError
from deploy.local.year.facts import made_up_past
from services.actions.policy import KIND as IMPROVEMENT
from services.intake.candour.policy import KIND as CANDOUR
from services.intake.checks.policy import KIND as CHECKS
from services.intake.details.policy import KIND as QUESTIONS
from services.intake.escalation.policy import KIND as ESCALATION
from services.intake.obligations.policy import KIND as OBLIGATIONS
from services.intake.policy import KIND as TRIAGE
from services.intake.recurrence.policy import KIND as RECURRENCE
from services.intake.retention.policy import KIND as RETENTION
from services.intake.safeguarding.policy import KIND as SAFEGUARDING
from services.intake.speak_up.policy import KIND as SPEAK_UP
from services.reporting.governance.policy import KIND as GOVERNANCE
from services.reporting.patterns.policy import KIND as PATTERNS
from services.review.backtest.domain import backtest
from services.review.backtest.facts import read
from services.review.domain import ReviewPolicy
from services.review.policy import KIND as REVIEW
from services.runtime.policy_file import Checked, check, check_any

policy = typer.Typer(add_completion=False, help="Policies as files: see docs/policies.md.", no_args_is_help=True)

KINDS = {
    kind.name: kind
    for kind in (
        REVIEW,
        TRIAGE,
        ESCALATION,
        OBLIGATIONS,
        CHECKS,
        CANDOUR,
        QUESTIONS,
        SAFEGUARDING,
        SPEAK_UP,
        RECURRENCE,
        RETENTION,
        IMPROVEMENT,
        GOVERNANCE,
        PATTERNS,
    )
}

_SEED, _SERVICES = 1, 200

File = Annotated[Path, typer.Argument(help="A policy file (YAML).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@policy.command("check")
def check_file(
    file: File,
    kind: Annotated[
        str | None, typer.Option(help=f"One of: {', '.join(KINDS)}. Told by its names if left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with a policy, with lines and remedies. Exits with 0 if nothing is, else with 1."""
    if kind is not None and kind not in KINDS:
        raise StackError(f"there is no kind '{kind}': use one of {', '.join(KINDS)}")
    text = _text(file)
    checked = check(text, KINDS[kind]) if kind is not None else check_any(text, list(KINDS.values()))
    if as_json:
        typer.echo(json.dumps(_answer(checked), indent=1))
    else:
        for one in checked.problems:
            named = f"{one.field}: " if one.field else ""
            typer.echo(f"{file}:{one.line}: {named}{one.problem}. {one.remedy}")
        if checked.ok:
            typer.echo(f"{file}: nothing wrong. {checked.kind} policy, version {checked.version}.")
    raise typer.Exit(0 if checked.ok else 1)


@policy.command("backtest")
def backtest_file(
    file: File,
    facts: Annotated[
        Path | None,
        typer.Option(
            help="Past incidents, JSON Lines: docs/policies.md says what a line holds. A made-up year if left out."
        ),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="The policy to compare with. The shipped one if left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a review policy would have changed over past incidents. Nothing has to run."""
    draft = _review_policy(file)
    before = REVIEW.shipped() if against is None else _review_policy(against)
    used = f"{facts}" if facts is not None else f"a made-up year (seed {_SEED}, {_SERVICES} services)"
    try:
        past = made_up_past(_SEED, _SERVICES, draft.repeats_within_days) if facts is None else read(_text(facts))
        found = backtest(past, before, draft)
    except ValueError as error:
        raise StackError(f"{facts}: {error}") from None
    if as_json:
        typer.echo(json.dumps({"facts": used, **asdict(found)}, indent=1))
        return
    typer.echo(f"Over {used}:")
    typer.echo(
        f"{found.changed} of {found.incidents} incidents would have another method, {found.deeper} a deeper one."
    )
    if found.changed_otherwise:
        told = ", ".join(f"{name} for {number}" for name, number in found.changed_otherwise.items())
        typer.echo(f"Something else would differ: {told}.")
    for one in found.methods:
        typer.echo(f"  {one.before} -> {one.after}: {one.incidents}")
    typer.echo(f"Hours: {found.hours_before:g} before, {found.hours_after:g} after.")
    if found.without_hours:
        typer.echo(f"  Counted as 0, for want of hours in the policies: {', '.join(found.without_hours)}.")
    typer.echo(f"Reviewed less: {len(found.reviewed_less)}.")
    for less in found.reviewed_less:
        typer.echo(
            f"  {less.incident}: {less.before} -> {less.after}; repeats after {less.repeats_after},"
            f" verdict {less.verdict or 'none'}, reopened {'yes' if less.reopened else 'no'}"
        )


def _review_policy(file: Path) -> ReviewPolicy:
    checked = check(_text(file), REVIEW)
    if not checked.ok:
        for one in checked.problems:
            typer.echo(f"{file}:{one.line}: {one.field}: {one.problem}. {one.remedy}")
        raise typer.Exit(1)
    built: ReviewPolicy = REVIEW.build(checked.document)
    return built


def _answer(checked: Checked) -> dict[str, object]:
    problems = [vars(one) for one in checked.problems]
    return {"ok": checked.ok, "kind": checked.kind, "version": checked.version, "problems": problems}


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        raise StackError(f"there is no file '{file}': give its path") from None
    except UnicodeDecodeError:
        raise StackError(f"'{file}' is not UTF-8 text: save it as plain text") from None
