"""Ids that follow from the regulator's own, so that everybody who knows a CQC id knows ours without asking."""

from uuid import UUID, uuid5

EVERYWHERE = UUID(int=0)
"""Stands for the location of what has no single one: it is for whoever covers the whole provider."""

NAMESPACE = UUID("0b6d9c1e-6f0b-5d3a-9a53-1f3f6c1d7e42")
"""Never change it: every id below is derived from it."""


def provider_id(cqc_provider_id: str) -> UUID:
    """The id of a provider with this CQC provider id, for example `1-101667914`."""
    return uuid5(NAMESPACE, cqc_provider_id)


def location_id(cqc_location_id: str) -> UUID:
    """The id of a location that came from the CQC directory, by its CQC location id."""
    return uuid5(NAMESPACE, cqc_location_id)


def region_id(provider: UUID, region: str) -> UUID:
    """The id of a provider's own part of an ADASS region, for example `South West`."""
    return uuid5(provider, region)
