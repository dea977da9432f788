"""What operators can search workflows by: opaque ids, codes and dates, never personal data. Not for people's lists."""

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from workflows.messages import IncidentCase, ThemeCase

PROVIDER = SearchAttributeKey.for_keyword("ProviderId")
LOCATION = SearchAttributeKey.for_keyword("LocationId")
STAGE = SearchAttributeKey.for_keyword("Stage")
BAND = SearchAttributeKey.for_keyword("Band")

ALL = (PROVIDER, LOCATION, STAGE, BAND)
"""What the namespace must know before a workflow starts."""


def of(case: IncidentCase) -> TypedSearchAttributes:
    """The attributes of a case as it is now."""
    pairs: list[SearchAttributePair[str]] = [
        SearchAttributePair(PROVIDER, str(case.provider_id)),
        SearchAttributePair(STAGE, case.position.stage.value),
    ]
    if case.report is not None:
        pairs.append(SearchAttributePair(LOCATION, str(case.report.location_id)))
    if case.triage is not None:
        pairs.append(SearchAttributePair(BAND, case.triage.band.value))
    return TypedSearchAttributes(pairs)


def of_theme(case: ThemeCase) -> TypedSearchAttributes:
    """The attributes of a theme as it is now."""
    pairs: list[SearchAttributePair[str]] = [
        SearchAttributePair(PROVIDER, str(case.provider_id)),
        SearchAttributePair(STAGE, case.position.stage.value),
    ]
    if case.commission is not None:
        pairs.append(SearchAttributePair(BAND, case.commission.band.value))
    return TypedSearchAttributes(pairs)
