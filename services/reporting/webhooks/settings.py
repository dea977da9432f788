"""Where webhooks may lead, and what their secrets are sealed with, from the environment."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class WebhookSettings(BaseSettings):
    """Out of the house only, unless somebody who runs it says otherwise."""

    model_config = SettingsConfigDict(env_prefix="PLUMBLINE_", extra="ignore", hide_input_in_errors=True)

    temporal_codec_keys: SecretStr = Field(
        default=SecretStr(""),
        description="As in TemporalSettings: every process that keeps or sends webhooks has them.",
    )
    webhooks_anywhere: bool = Field(
        default=False, description="Also to private addresses and without TLS: for trying it out on one machine."
    )
