"""Where a pack is read from, and where people outside open one, from the environment."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class PackSettings(BaseSettings):
    """The services' addresses as this process reaches them; `shared_packs_url` is the one that people outside are given."""

    model_config = SettingsConfigDict(env_prefix="PLUMBLINE_", extra="ignore", hide_input_in_errors=True)

    directory_url: str = ""
    intake_url: str = ""
    review_url: str = ""
    actions_url: str = ""
    reporting_url: str = ""
    shared_packs_url: str = ""

    @property
    def services(self) -> dict[str, str]:
        """The address of each service by its name; empty for one that is not set."""
        names = ("directory", "intake", "review", "actions", "reporting")
        return {name: str(getattr(self, f"{name}_url")).rstrip("/") for name in names}

    @property
    def opened_at(self) -> str:
        """The page on which a code is typed in."""
        return f"{self.shared_packs_url or self.reporting_url}".rstrip("/") + "/shared-packs"
