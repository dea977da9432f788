"""Channels of notices, from the environment. All are off until they are set."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from services.runtime.settings import Environment


class NoticeSettings(Environment):
    """Which channels there are. Without any, people see what waits for them in their inbox only."""

    notice_link: str = Field(default="http://127.0.0.1:8080", description="Where links in notices lead.")
    smtp_url: SecretStr | None = Field(
        default=None, description="smtp://, smtp+starttls:// or smtps://user:pass@host:port"
    )
    smtp_from: str = "plumbline@localhost"
    sms_url: str | None = Field(default=None, description="An HTTP gateway that takes {to, text} as JSON.")
    sms_token: SecretStr | None = None
    webhook_url: str | None = None
    webhook_secret: SecretStr | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.smtp_url is not None:
            url = urlsplit(self.smtp_url.get_secret_value())
            if url.scheme not in ("smtp", "smtp+starttls", "smtps") or not url.hostname:
                raise ValueError("PLUMBLINE_SMTP_URL: give smtp://, smtp+starttls:// or smtps:// and a host")
        if (self.webhook_url is None) != (self.webhook_secret is None):
            raise ValueError("set PLUMBLINE_WEBHOOK_URL and PLUMBLINE_WEBHOOK_SECRET together: a webhook is signed")
        return self
