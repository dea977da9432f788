"""What is told of incidents: each story from the report to its end. All are played side by side, see `told`."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from deploy.local.state import PROJECT
from tests.e2e.journey import Care, Journey
from tests.e2e.running import PATIENCE, SPEED, RunningStack

SCENARIOS = sorted((PROJECT / "scenarios").glob("*.yaml"))
_AT_A_DAY_A_SECOND = [path for path in SCENARIOS if yaml.safe_load(path.read_text()).get("speed") == SPEED]
LONG = [path for path in _AT_A_DAY_A_SECOND if path.stem == "SC-08-life"]
"""Ten incidents, then half a year of what they have in common: by `make test-browser` only, for it costs what several others do."""
LIVES = [path for path in _AT_A_DAY_A_SECOND if path not in LONG]
"""The cases of the field that are played from the report to the end, at a day a second."""


def low_harm(care: Care) -> Journey:
    """Everybody does their part."""
    journey = care.triaged()
    journey.to_checkpoint()
    journey.judge("improved_and_sustained")
    journey.reaches("closed")
    return journey


def returned(care: Care) -> Journey:
    """The verifier is not satisfied at first."""
    journey = care.triaged()
    journey.to_checkpoint(returned=True)
    journey.judge("improved_and_sustained")
    journey.reaches("closed")
    return journey


def no_change(care: Care) -> Journey:
    """What was done had no effect, so the question why is asked again."""
    journey = care.triaged()
    journey.to_checkpoint()
    journey.judge("no_change")
    journey.reaches("reviewing", cycle=2)
    journey.to_closure_at_once(cycle=2)
    return journey


def high_risk(care: Care) -> Journey:
    """Somebody must know now: the deputy is on call and answers. The rest of the chain is that of the others."""
    journey = care.triaged(consequence=4, likelihood=3, category="pressure_damage")
    told = care.deputy.until(
        "intake", f"{journey.record}/escalations",
        lambda page: next((e for e in page if (e["reason"], e["to_person"]) == ("high_risk", care.deputy.id)), None), "the escalation",
    )  # fmt: skip
    care.deputy.post("intake", f"{journey.record}/escalations/{told['escalation_id']}/acknowledgement")
    journey.reaches("reviewing")
    journey.withdraw()
    return journey


def unattended(care: Care) -> Journey:
    """Nobody looks at the report until the review is due."""
    journey = care.report()
    journey.reaches("reviewing")
    journey.to_closure_at_once()
    return journey


def withdrawn(care: Care) -> Journey:
    """Reported in error, found out while it is reviewed."""
    journey = care.triaged()
    journey.reaches("reviewing")
    journey.withdraw()
    return journey


def duplicate(care: Care) -> tuple[Journey, Journey]:
    """Two carers report the same event."""
    first, second = care.triaged(), care.report()
    care.manager.change("intake", second.record, "duplicate", {"duplicate_of": first.id})
    first.to_closure_at_once()
    return first, second


def reopened(care: Care) -> Journey:
    """A near miss, closed; then somebody doubts the review."""
    journey = care.triaged(consequence=2, likelihood=2, kind="near_miss")
    journey.to_closure_at_once()
    reason = {"stage": "reviewing", "reason": care.says("It happened again.")}
    care.quality.change("intake", journey.record, "reopening", reason)
    journey.to_closure_at_once(cycle=2)
    return journey


STORIES: tuple[Callable[[Care], Any], ...] = (
    low_harm,
    returned,
    no_change,
    high_risk,
    unattended,
    withdrawn,
    duplicate,
    reopened,
)


def life(stack: RunningStack, path: Path) -> subprocess.CompletedProcess[str]:
    """`plumbline scenario run --json` of a case that is played from its report to its end."""
    return stack.plumbline("scenario", "run", str(path), "--json", f"--patience={PATIENCE:.0f}")


def demonstration(stack: RunningStack, *words: str) -> tuple[subprocess.CompletedProcess[str], Any]:
    """`plumbline demo --json`: how it ended, and its evidence."""
    done = stack.plumbline("demo", "--json", *words)
    return done, json.loads(done.stdout) if done.stdout else None
