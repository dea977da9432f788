"""Where webhooks may lead, and what their secrets are sealed with, from the environment."""

from pydantic import Field, SecretStr

from services.runtime.settings import Environment


class WebhookSettings(Environment):
    """Out of the house only, unless somebody who runs it says otherwise."""

    temporal_codec_keys: SecretStr = Field(
        default=SecretStr(""),
        description="As in TemporalSettings: every process that keeps or sends webhooks has them.",
    )
    webhooks_anywhere: bool = Field(
        default=False, description="Also to private addresses and without TLS: for trying it out on one machine."
    )
