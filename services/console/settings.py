"""What the console needs to know: where the services are, who signs people in, how long a session lives."""

from pydantic import Field, SecretStr

from services.runtime.settings import AuthSettings, ProcessSettings


class ConsoleSettings(ProcessSettings, AuthSettings):
    """Read from `PLUMBLINE_*`. `console_session_keys` are Fernet keys, comma-separated: the first seals, all open."""

    directory_url: str
    intake_url: str
    review_url: str
    actions_url: str
    reporting_url: str
    console_public_url: str = Field(description="Where people reach the console; where the issuer sends them back to.")
    console_session_keys: SecretStr
    console_client_id: str = "plumbline-console"
    console_client_secret: SecretStr | None = Field(default=None, description="For issuers that want one beside PKCE.")
    console_scopes: str = Field(
        default="openid profile offline_access",
        description="What is asked of the issuer. Leave `offline_access` out where tokens are renewed without it.",
    )
    console_idle_minutes: int = Field(default=30, ge=1, le=720, description="Without a click for so long, it is over.")
    console_speak_up_url: str | None = Field(
        default=None,
        description="Where a concern is raised without signing in: `/speak-up/to/PROVIDER` of intake. On every page.",
    )

    @property
    def services(self) -> dict[str, str]:
        """The address of each service by its name."""
        names = ("directory", "intake", "review", "actions", "reporting")
        return {name: str(getattr(self, f"{name}_url")).rstrip("/") for name in names}

    @property
    def secure(self) -> bool:
        """Whether people come over TLS, so that cookies may be marked for it."""
        return self.console_public_url.startswith("https://")
