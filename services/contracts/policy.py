"""What a service says when a provider's own policy is published."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from services.contracts.event import EventData


class PolicyPublished(EventData):
    """A version of a provider's policy was published by a second person: decisions go by it from now on."""

    TYPE: ClassVar[str] = "plumbline.policy.published.v1"

    policy_id: UUID
    name: str
    policy_version: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

    @property
    def key(self) -> str:
        """The policy's id."""
        return str(self.policy_id)
