"""The public pages of speaking up: usable without an account or script, and they lose nothing that was typed."""

import re
import uuid
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import pytest

from services.intake.speak_up import api
from services.runtime.limit import Limit
from tests.conftest import ServiceClient

WORRY = "They are got up at five. <b>Every</b> day & nobody asks."


@pytest.fixture(autouse=True)
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAISING", "OPENING"):
        monkeypatch.setattr(api, name, Limit("test", 10_000))


@pytest.fixture
def intake(client: Callable[[str], ServiceClient]) -> ServiceClient:
    return client("intake")


@pytest.fixture
def address(intake: ServiceClient, place: Callable[..., uuid.UUID], provider_id: uuid.UUID) -> str:
    place("intake")
    return f"/speak-up/to/{provider_id}"


class Page(HTMLParser):
    """What a page holds: every element with its attributes, labels, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def ids(self) -> list[str]:
        return [str(attributes["id"]) for _, attributes in self.elements if "id" in attributes]


def get(intake: ServiceClient, path: str) -> Any:
    return intake.http.get(path)


def send(intake: ServiceClient, path: str, **fields: Any) -> Any:
    return intake.http.post(path, data=fields)


def sound(html: str) -> Page:
    """Every field has its label, every link on the page leads somewhere, no id is there twice, no script."""
    page = Page(html)
    labelled = {label["for"] for label in page.all("label")}
    ids = page.ids()
    assert len(ids) == len(set(ids))
    for tag in ("input", "textarea"):
        assert all(one["id"] in labelled for one in page.all(tag) if one.get("type") != "hidden"), tag
    assert all(str(link["href"])[1:] in ids for link in page.all("a") if str(link["href"]).startswith("#"))
    assert page.all("html") == [{"lang": "en-GB"}]
    assert page.all("script") == []
    assert len(page.all("h1")) == 1
    return page


def test_people_and_families_are_told_how_to_report(intake: ServiceClient, address: str) -> None:
    told = get(intake, f"{address}/how")
    assert told.status_code == 200
    page = sound(told.text)
    assert page.all("form") == [], "to read only"
    for words in (
        "families",
        "medicine",
        "999",
        "Care Quality Commission",
        "local authority",
        "Yellow Card",
        "72 hours",
    ):
        assert words in page.text, words
    assert "set-cookie" not in told.headers
    assert "script" not in told.headers["Content-Security-Policy"]
    # The two pages lead to one another.
    [form] = [str(link["href"]) for link in page.all("a") if str(link["href"]).startswith("..")]
    assert urljoin(f"{address}/how", form) == address
    back = [urljoin(address, str(link["href"])) for link in sound(get(intake, address).text).all("a")]
    assert {f"{address}/how", "/speak-up/continue"} <= set(back)
    nobody = get(intake, f"/speak-up/to/{uuid.uuid4()}/how")
    assert (nobody.status_code, "no provider" in sound(nobody.text).text) == (404, True)


def test_from_a_concern_to_the_answer(intake: ServiceClient, address: str, actor: Any) -> None:
    form = get(intake, address)
    assert form.status_code == 200
    sound(form.text)
    raised = send(intake, address, message=WORRY, mode="anonymous", contact="07700 900123")
    assert raised.status_code == 201
    page = sound(raised.text)
    assert "07700" not in raised.text
    code = re.search(r'id="code">([^<]+)<', raised.text)
    assert code is not None
    guardian = actor("speak_up_guardian")
    (listed,) = intake.get("/concerns", guardian).json()["items"]
    assert intake.get(f"/concerns/{listed['concern_id']}", guardian).json()["contact"] is None
    intake.post(f"/concerns/{listed['concern_id']}/messages", guardian, {"text": "Which unit?"})
    sound(get(intake, "/speak-up/continue").text)
    opened = send(intake, "/speak-up/continue", code=code[1].lower())
    page = sound(opened.text)
    assert WORRY in page.text
    assert "<b>Every" not in opened.text
    assert "Which unit?" in page.text
    again = send(intake, "/speak-up/continue", code=code[1], text="The one upstairs.")
    assert "The one upstairs." in sound(again.text).text
    messages = intake.get(f"/concerns/{listed['concern_id']}", guardian).json()["messages"]
    assert [one["author"] for one in messages] == ["sender", "staff", "sender"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"message": " "}, "message"),
        ({"message": "x" * 10_001}, "message"),
        ({"mode": ""}, "mode"),
        ({"mode": "confidential", "contact": ""}, "contact"),
        ({"keep_from": ["safeguarding_lead", "nominated_individual", "speak_up_guardian"]}, "keep_from"),
    ],
)
def test_what_was_typed_is_still_there(
    intake: ServiceClient, address: str, changes: dict[str, Any], field: str
) -> None:
    typed = {
        "message": WORRY,
        "mode": "anonymous",
        "contact": "a friend",
        "keep_from": ["safeguarding_lead"],
        **changes,
    }
    refused = send(intake, address, **typed)
    assert refused.status_code == 422
    page = sound(refused.text)
    assert [link["href"] for link in page.all("a") if str(link["href"]).startswith("#")] == [f"#{field}"]
    assert typed["message"] in page.text
    assert {one["value"] for one in page.all("input") if "checked" in one} == {typed["mode"], *typed["keep_from"]} - {
        ""
    }
    assert "a friend" in refused.text or field == "contact"
    assert refused.text.index("<title>Error: ") > 0


def test_a_wrong_code_and_a_wrong_provider(intake: ServiceClient, address: str) -> None:
    wrong = send(intake, "/speak-up/continue", code="WRONG", text="Half a page typed already.")
    assert wrong.status_code == 404
    assert "Half a page typed already." in wrong.text
    sound(wrong.text)
    nobody = get(intake, f"/speak-up/to/{uuid.uuid4()}")
    assert nobody.status_code == 404
    sound(nobody.text)


def test_too_many_at_once_loses_nothing(intake: ServiceClient, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "RAISING", Limit("test", 1))
    send(intake, address, message=WORRY, mode="anonymous")
    later = send(intake, address, message=WORRY, mode="anonymous")
    assert later.status_code == 429
    assert WORRY in sound(later.text).text


def test_nothing_is_kept_in_the_browser_and_nothing_else_is_loaded(intake: ServiceClient, address: str) -> None:
    for answer in (get(intake, address), send(intake, address, message=WORRY, mode="anonymous")):
        assert "set-cookie" not in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert not re.search(r"(src|href)=.https?:", answer.text)
