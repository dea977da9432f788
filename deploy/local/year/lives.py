"""What became of the incidents of a made-up year, and the weaknesses of single services that are planted in it.

A stream of chance of its own: the incidents of a seed, and the patterns in them, are what they are without it.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import cycle
from typing import Any
from uuid import UUID

from deploy.local.year.generator import PlantedWeakness, Service, Told, Year
from services.contracts import actions, intake, review
from services.contracts.event import EventData
from services.contracts.taxonomy import (
    Band,
    EscalationReason,
    Kind,
    ReviewMethod,
    Role,
    Seips,
    Strength,
    Verdict,
)
from services.reporting.radar import policy
from services.reporting.radar.policy import Weakness

SILENT = "silent"
"""The weakness that has no records: what happened is not reported."""

USUAL: dict[Weakness, float] = {
    Weakness.ACTIONS_WITHOUT_CHANGE: 0.15,
    Weakness.REPEATS_WITHOUT_LEARNING: 0.15,
    Weakness.LEARNING_NOT_SHARED: 0.12,
    Weakness.NO_OVERSIGHT: 0.04,
    Weakness.BLAME: 0.1,
    Weakness.LATE_TO_REPORT: 0.06,
    Weakness.LATE_TO_REVIEW: 0.1,
    Weakness.UNVERIFIED: 0.06,
    Weakness.WEAK_ACTIONS_ONLY: 0.35,
    Weakness.OBLIGATIONS_LATE: 0.01,
}
"""How often it goes that way at a service that is not weak; each has its own share, spread about this one."""

WEAK: dict[Weakness, float] = {
    Weakness.ACTIONS_WITHOUT_CHANGE: 0.6,
    Weakness.REPEATS_WITHOUT_LEARNING: 0.6,
    Weakness.LEARNING_NOT_SHARED: 0.5,
    Weakness.NO_OVERSIGHT: 0.22,
    Weakness.BLAME: 0.45,
    Weakness.LATE_TO_REPORT: 0.3,
    Weakness.LATE_TO_REVIEW: 0.45,
    Weakness.UNVERIFIED: 0.4,
    Weakness.WEAK_ACTIONS_ONLY: 0.8,
    Weakness.OBLIGATIONS_LATE: 0.1,
}
"""How often at a service at which the weakness is planted strongly: two to ten times the usual. Where it is planted
slightly, it shows halfway between the radar's benchmark and this.
"""

SILENT_DAYS = 110
STILL_REPORTED = 0.12
"""What a silent service still reports, in the last days of the year."""

_DAY = timedelta(days=1)
_BEDS = 30


def complete(year: Year, seed: int, *, planted: bool) -> Year:
    """The year with what followed each incident up to its end and, if `planted`, with weak services in it."""
    return _Lives(year, random.Random(f"lives of {seed}")).complete(planted=planted)  # noqa: S311 - made-up data


class _Lives:
    def __init__(self, year: Year, chance: random.Random) -> None:
        self.year, self.chance = year, chance
        self.of_pattern = {incident_id for one in year.planted for incident_id in one.incidents}
        self.weaknesses: list[PlantedWeakness] = []

    def complete(self, *, planted: bool) -> Year:
        chance, year = self.chance, self.year
        share = {
            (one.location_id, weakness): min(0.9, usual * chance.gammavariate(8, 1 / 8))
            for one in year.services
            for weakness, usual in USUAL.items()
        }
        if planted:
            self._plant()
        for one in self.weaknesses:
            if one.weakness != SILENT:
                share[one.location_id, Weakness(one.weakness)] = one.share
        self.share = share
        self.reported = {one.location_id: one.share for one in self.weaknesses if one.weakness == SILENT}
        told: list[Told] = []
        lives: dict[UUID, list[Told]] = defaultdict(list)
        for event in year.told:
            incident_id = getattr(event.data, "incident_id", None)
            (told if incident_id is None else lives[incident_id]).append(event)
        for incident_id, life in lives.items():
            if not self._kept_silent(incident_id, life):
                told.extend(self._lived(life))
        told = [event for event in told if event.at <= year.end]
        told.sort(key=lambda event: event.at)
        shares = {(place, str(weakness)): often for (place, weakness), often in share.items()}
        return replace(year, told=told, weaknesses=self.weaknesses, shares=shares)

    def _plant(self) -> None:
        """At four homes each if there are many, so large that there are records to judge them by; every other slightly."""
        homes = [one for one in self.year.services if one.beds >= _BEDS]
        homes = homes or [one for one in self.year.services if one.beds]
        number = 4 if len(homes) >= 4 * (len(Weakness) + 1) else 1
        chosen = cycle(self.chance.sample(homes, len(homes)))
        benchmarks = policy.shipped().weaknesses
        for weakness, often in WEAK.items():
            slightly = (often + benchmarks[weakness].benchmark) / 2
            for place in range(number):
                self._put(next(chosen), weakness, slightly if place % 2 else often)
        for place in range(number):
            self._put(next(chosen), SILENT, 2.5 * STILL_REPORTED if place % 2 else STILL_REPORTED)

    def _put(self, home: Service, weakness: str, share: float) -> None:
        self.weaknesses.append(PlantedWeakness(str(weakness), home.location_id, share))

    def _kept_silent(self, incident_id: UUID, life: Sequence[Told]) -> bool:
        report = life[0].data
        assert isinstance(report, intake.IncidentReported)
        return (
            incident_id not in self.of_pattern
            and report.occurred_at >= self.year.end - SILENT_DAYS * _DAY
            and self.chance.random() >= self.reported.get(report.location_id, 1)
        )

    def _lived(self, life: Sequence[Told]) -> Iterator[Told]:
        report = life[0].data
        assert isinstance(report, intake.IncidentReported)
        if report.kind is Kind.GOOD_CARE:
            yield from life
            return
        shows = {weakness: self.chance.random() < self.share[report.location_id, weakness] for weakness in Weakness}
        if shows[Weakness.LATE_TO_REPORT] and report.reported_at - report.occurred_at <= _DAY:
            life = [_later(event, self.chance.uniform(26, 90) * timedelta(hours=1)) for event in life]
        triage = next(event for event in life if isinstance(event.data, intake.IncidentTriaged))
        yield from self._begun(report.incident_id, life, triage, shows)
        yield from self._reviewed(report.incident_id, life, triage, shows)

    def _begun(
        self, incident_id: UUID, life: Sequence[Told], triage: Told, shows: dict[Weakness, bool]
    ) -> Iterator[Told]:
        """Report, triage and calls up the line. Who looks away lets the clock decide, or does not answer."""
        assert isinstance(triage.data, intake.IncidentTriaged)
        unseen = shows[Weakness.NO_OVERSIGHT]
        by_default = unseen and self.chance.random() < 0.5
        for event in life:
            if event is triage:
                yield replace(event, data=triage.data.model_copy(update={"by_default": by_default}))
            elif isinstance(event.data, intake.IncidentReported | intake.IncidentDescribed):
                yield event
        if triage.data.band in (Band.HIGH, Band.EXTREME) or (unseen and not by_default):
            rung = self._id()
            yield Told(intake.IncidentEscalated(
                incident_id=incident_id, escalation_id=rung, level=1, reason=EscalationReason.HIGH_RISK,
                to_role=Role.REGIONAL_MANAGER, to_person=None,
            ), 1, triage.at)  # fmt: skip
            if by_default or not unseen:
                answer = intake.EscalationAcknowledged(incident_id=incident_id, escalation_id=rung, level=1)
                yield Told(answer, 1, triage.at + self._days(0.02, 0.6))
        if shows[Weakness.OBLIGATIONS_LATE]:
            late = triage.at + self._days(1, 4)
            yield Told(intake.ObligationLate(
                incident_id=incident_id, obligation_id=self._id(), rule="serious_injury", recipient="cqc", due_at=late,
                statutory=False,
            ), 2, late)  # fmt: skip

    def _reviewed(
        self, incident_id: UUID, life: Sequence[Told], triage: Told, shows: dict[Weakness, bool]
    ) -> Iterator[Told]:
        chance, told = self.chance, {type(event.data): event for event in life}
        learned = not shows[Weakness.REPEATS_WITHOUT_LEARNING]
        opened, agreed = told.get(review.ReviewOpened), told.get(actions.ActionAgreed)
        if opened is None:
            # The generator ends these at once; a provider that reviews in proportion talks them over.
            opened = Told(review.ReviewOpened(
                incident_id=incident_id, review_id=self._id(), cycle=1, method=ReviewMethod.HUDDLE,
                lead_role=Role.REGISTERED_MANAGER, due_at=triage.at + 7 * _DAY, rule="otherwise",
                policy_version="default-1",
            ), 1, triage.at)  # fmt: skip
        assert isinstance(opened.data, review.ReviewOpened)
        due = opened.data.due_at
        approved = due + self._days(1, 9) if shows[Weakness.LATE_TO_REVIEW] else due - self._days(0.5, 6)
        yield opened
        yield Told(review.ReviewApproved(
            incident_id=incident_id, review_id=opened.data.review_id, cycle=1,
            factors=self._factors(incident_id, told, shows), learning_count=int(learned),
            actions_needed=agreed is not None, briefing_needed=learned,
        ), 3, approved)  # fmt: skip
        if learned:
            yield from self._shared(incident_id, approved, shows)
        if agreed is None:
            yield self._closed(incident_id, approved + _DAY)
            return
        yield from self._acted(incident_id, agreed, approved, shows)
        verified = approved + self._days(12, 30)
        if shows[Weakness.UNVERIFIED] or chance.random() < 0.2:
            return  # not judged yet
        judged = verified + self._days(28, 60)
        failed = shows[Weakness.ACTIONS_WITHOUT_CHANGE]
        verdict = chance.choice(
            [Verdict.NO_CHANGE, Verdict.WORSE] if failed else [Verdict.SUSTAINED, Verdict.SUSTAINED, Verdict.IMPROVING]
        )
        yield Told(actions.ImpactJudged(
            incident_id=incident_id, checkpoint_id=self._id(), cycle=1, agreed_with_proposal=True, next_checkpoint=None,
            verdict=verdict,
        ), 2, judged)  # fmt: skip
        if verdict is Verdict.SUSTAINED:
            yield self._closed(incident_id, judged)

    def _factors(
        self, incident_id: UUID, told: dict[type[EventData], Told], shows: dict[Weakness, bool]
    ) -> list[Seips]:
        """Of a huddle none. Those that a pattern is made of stay."""
        if (approved := told.get(review.ReviewApproved)) is None:
            return []
        assert isinstance(approved.data, review.ReviewApproved)
        found = approved.data.factors
        if incident_id in self.of_pattern:
            return found
        if shows[Weakness.BLAME]:
            return [Seips.PERSON]
        return found if set(found) != {Seips.PERSON} else sorted([Seips.PERSON, self.chance.choice(_BEHIND)])

    def _shared(self, incident_id: UUID, approved: datetime, shows: dict[Weakness, bool]) -> Iterator[Told]:
        """Learning that does not get about is kept to the own place, or not sent at all, or not understood."""
        how = self.chance.choice(["kept", "unsent", "unread"]) if shows[Weakness.LEARNING_NOT_SHARED] else "reached"
        if how == "unsent":
            return
        briefing, sent = self._id(), approved + self._days(0.2, 2)
        yield Told(review.BriefingSent(
            incident_id=incident_id, briefing_id=briefing, cycle=1,
            audience=1 if how == "kept" else self.chance.randint(2, 8), target_percent=80, due_at=sent + 14 * _DAY,
        ), 1, sent)  # fmt: skip
        if how != "unread":
            reached = review.BriefingReached(
                incident_id=incident_id, briefing_id=briefing, cycle=1, reach_percent=self.chance.randint(80, 100)
            )
            yield Told(reached, 2, sent + self._days(4, 20))

    def _acted(
        self, incident_id: UUID, agreed: Told, approved: datetime, shows: dict[Weakness, bool]
    ) -> Iterator[Told]:
        """The first action is the generator's, with its words; where it is weak, others have a stronger one beside it."""
        assert isinstance(agreed.data, actions.ActionAgreed)
        only_weak = shows[Weakness.WEAK_ACTIONS_ONLY]
        made = [agreed.data.model_copy(update={"strength": Strength.WEAKER}) if only_weak else agreed.data]
        if not only_weak and agreed.data.strength is Strength.WEAKER:
            made.append(actions.ActionAgreed(
                incident_id=incident_id, action_id=self._id(), cycle=1, owner_role=Role.REGISTERED_MANAGER,
                strength=Strength.INTERMEDIATE,
            ))  # fmt: skip
        for number, action in enumerate(made):
            done = approved + self._days(3, 10)
            yield Told(action, 1, approved + timedelta(hours=2))
            yield Told(actions.ActionDone(
                incident_id=incident_id, action_id=action.action_id, cycle=1, attempt=1, evidence_count=1,
                verify_due_at=done + 14 * _DAY,
            ), 3, done)  # fmt: skip
            if number or not shows[Weakness.UNVERIFIED]:
                yield Told(actions.ActionVerified(
                    incident_id=incident_id, action_id=action.action_id, cycle=1, attempt=1,
                    cycle_complete=number == len(made) - 1, checkpoints=[],
                ), 4, done + self._days(1, 12))  # fmt: skip

    def _closed(self, incident_id: UUID, at: datetime) -> Told:
        return Told(intake.IncidentClosed(incident_id=incident_id, cycle=1, closed_at=at), 9, at)

    def _id(self) -> UUID:
        return UUID(int=self.chance.getrandbits(128), version=4)

    def _days(self, least: float, most: float) -> timedelta:
        return self.chance.uniform(least, most) * _DAY


_BEHIND = [Seips.TASKS, Seips.ORGANISATION, Seips.TOOLS]


def _later(event: Told, delay: timedelta) -> Told:
    """The same, told so much later; when it happened stays."""
    moved: dict[str, Any] = {
        name: value + delay
        for name in type(event.data).model_fields
        if name != "occurred_at" and isinstance(value := getattr(event.data, name), datetime)
    }
    return Told(event.data.model_copy(update=moved), event.version, event.at + delay)
