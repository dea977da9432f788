"""What the bar at the top of every page leads to, by role."""

from dataclasses import dataclass

from services.console.page import TEXTS
from services.console.places import LEADERS
from services.console.visit import Visit
from services.contracts.taxonomy import Role

OVERSEERS = LEADERS
AUDITORS = tuple(role for role in OVERSEERS if role is not Role.EXECUTIVE)
ADMINISTRATORS = (*AUDITORS, Role.PLATFORM_ADMIN)
PACK_BUILDERS = (Role.NOMINATED_INDIVIDUAL, Role.QUALITY_LEAD, Role.REGISTERED_MANAGER)


@dataclass(frozen=True)
class Item:
    """One link; `here` if it leads to the page that is shown."""

    href: str
    text: str
    here: bool


def navigation(visit: Visit) -> list[Item]:
    """The links for this person."""
    _ = TEXTS.gettext
    links = [("/", _("My work")), ("/report", _("Report something"))]
    if visit.has(*OVERSEERS):
        links += [("/incidents", _("Incidents")), ("/overview", _("Overview"))]
    links.append(("/library", _("What was learned")))
    if visit.has(*OVERSEERS):
        links += [("/patterns", _("Patterns")), ("/themes", _("Themes")), ("/meetings", _("Meetings"))]
    if visit.has(*PACK_BUILDERS):
        links.append(("/packs", _("Evidence packs")))
    if visit.has(*ADMINISTRATORS):
        links += [("/administration", _("Administration"))]
    path = visit.request.url.path
    return [Item(href, text, path == href or (href != "/" and path.startswith(f"{href}/"))) for href, text in links]
