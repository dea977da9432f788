"""From what a page knows to what a browser gets: templates, texts, times in England, headers that keep strangers out."""

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from gettext import NullTranslations
from pathlib import Path
from typing import Any

from jinja2 import ChainableUndefined, ChoiceLoader, Environment, FileSystemLoader, PackageLoader
from starlette.responses import HTMLResponse

from services.console.labels import label, level
from services.console.service_api import Refused, new_key
from services.runtime.calendar import LONDON

_HERE = Path(__file__).parent
TEXTS = NullTranslations()
"""English is written in the pages, each text marked, so that Welsh can follow. There is no catalogue yet."""


class _Pages(Environment):
    """Jinja's environment, for pages of which nearly all that is asked for a name is a dict."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """What a name leads to, as Jinja has it, without an exception raised and caught for each key of a dict."""
        if obj.__class__ is dict and attribute not in _DICT:
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)


_DICT = frozenset(dir(dict))

PAGES = _Pages(
    loader=ChoiceLoader([FileSystemLoader(_HERE / "templates"), PackageLoader("nhsuk_frontend_jinja")]),
    autoescape=True,
    undefined=ChainableUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    extensions=["jinja2.ext.i18n"],
    auto_reload=False,  # a page of forms is put together from hundreds of files: looking whether each changed was a fifth
)
PAGES.install_gettext_translations(TEXTS, newstyle=True)  # type: ignore[attr-defined]


def _moment(value: str | datetime | None) -> datetime | None:
    if value is None or value == "":
        return None
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    try:
        return at.astimezone(LONDON)
    except OverflowError:
        return at  # at the ends of the years that Python knows


def when(value: str | datetime | None) -> str:
    """A time in England as people write it: 3 June 2026, 14:05."""
    at = _moment(value)
    return "" if at is None else f"{at.day} {at:%B %Y, %H:%M}"


def day(value: str | datetime | None) -> str:
    """A day in England: 3 June 2026."""
    at = _moment(value)
    return "" if at is None else f"{at.day} {at:%B %Y}"


def typed_moment(value: str | datetime | None) -> str:
    """A time as the browser's field for it wants it: in England, to the minute."""
    at = _moment(value)
    return "" if at is None else f"{at:%Y-%m-%dT%H:%M}"


def until(value: str | datetime | None, now: datetime) -> str:
    """How long it is to a time, or since: `in 3 hours`, `2 days late`."""
    at = _moment(value)
    if at is None:
        return ""
    minutes = int((at - now).total_seconds() // 60)
    size = abs(minutes)
    if size < 60:
        amount, unit = max(size, 1), "minute"
    elif size < 48 * 60:
        amount, unit = size // 60, "hour"
    else:
        amount, unit = size // (24 * 60), "day"
    text = f"{amount} {unit}{'s' if amount != 1 else ''}"
    return f"in {text}" if minutes >= 0 else f"{text} late"


PAGES.filters.update(when=when, day=day, until=until, label=label, level=level, typed_moment=typed_moment)
PAGES.globals.update(new_key=new_key)


def content_security_policy(nonce: str) -> str:
    """Only what this server sends, and inline only what carries the nonce of this one answer."""
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; img-src 'self' data: blob:;"
        " font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    )


def render(template: str, status: int = 200, **words: Any) -> HTMLResponse:
    """A whole page. Never kept by browsers or proxies: phones are shared."""
    nonce = secrets.token_urlsafe(16)
    html = PAGES.get_template(template).render(nonce=nonce, **words)
    headers = {"Content-Security-Policy": content_security_policy(nonce), "Cache-Control": "no-store"}
    return HTMLResponse(html, status, headers)


def error_list(errors: Mapping[str, str]) -> list[dict[str, str]]:
    """What the summary at the top of a form says: each problem links to its field."""
    return [{"text": text, "href": f"#{field.replace('.', '-')}"} for field, text in errors.items()]


def problems_of(refused: Refused) -> dict[str, str]:
    """What a refusal says, by field; without a field it belongs to the form as a whole."""
    return refused.errors or {"form": f"{refused.title}. {refused.detail}"}


def options(codes: Iterable[object], choose: str = "") -> list[dict[str, str]]:
    """Codes to choose from, each with its word; `choose` is what stands where nothing is chosen yet."""
    first = [{"value": "", "text": choose}] if choose else []
    return first + [{"value": str(code), "text": label(code)} for code in codes]


PAGES.globals.update(error_list=error_list, options=options)
