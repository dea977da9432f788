"""Evidence packs in a real browser: built, looked at, read by somebody outside without an account, ended."""

from playwright.sync_api import Browser, expect

from tests.e2e.browser.pressing import Check, Person, Shot
from tests.e2e.running import RunningStack


def test_a_pack_is_built_shared_and_ended(
    console: RunningStack, browser: Browser, person: Person, accessible: Check, shot: Shot
) -> None:
    page = person("quality_lead")
    page.get_by_role("link", name="Evidence packs").click()
    accessible(page)
    page.get_by_role("button", name="Have it built").click()
    expect(page.get_by_role("alert")).to_contain_text("There is a problem")
    accessible(page)
    page.get_by_label("Of which place?").select_option(index=1)
    page.get_by_label("Number for the draw").fill("4711")
    page.get_by_role("button", name="Have it built").click()
    # It shows by itself that it is ready.
    expect(page.get_by_role("heading", name="Who outside may read it")).to_be_visible(timeout=120_000)
    expect(page.get_by_text("4711")).to_be_visible()
    accessible(page)
    with page.expect_popup() as opened:
        page.get_by_role("link", name="The pages").click()
    expect(opened.value.get_by_role("heading", name="How the incidents were chosen")).to_be_visible()
    opened.value.close()

    page.get_by_role("button", name="Give access").click()
    expect(page.get_by_role("alert")).to_contain_text("There is a problem")
    page.get_by_label("Who", exact=True).fill("CQC, inspector of this visit")
    page.get_by_label("What for").fill("Inspection")
    page.get_by_label("For how many days").fill("14")
    page.get_by_label("They may also download it").check()
    page.get_by_role("button", name="Give access").click()
    code = page.locator("#code").inner_text()
    accessible(page)
    shot(page, "pack")

    outside = browser.new_context(base_url=console.record.url("reporting"), java_script_enabled=False)
    reader = outside.new_page()
    reader.goto("/shared-packs")
    reader.get_by_label("Your code").fill(code.lower())
    reader.get_by_role("button", name="Open the pack").click()
    expect(reader.get_by_text("CQC, inspector of this visit")).to_be_visible()
    with reader.expect_download() as kept:
        reader.get_by_role("button", name="Download the whole pack").click()
    assert kept.value.suggested_filename.endswith(".zip")
    reader.get_by_role("button", name="Read the pages").click()
    expect(reader.get_by_role("heading", name="What is not in it")).to_be_visible()
    styled = reader.locator("main").evaluate("one => getComputedStyle(one.ownerDocument.body).maxWidth")
    assert styled != "none", "the box lets its own style in"
    assert outside.cookies() == []

    page.get_by_role("link", name="All packs").click()
    expect(page.get_by_text("Open to 1 reader outside.")).to_be_visible()
    page.get_by_role("link", name="Evidence pack:").first.click()
    expect(page.get_by_text("Used 3 times.")).to_be_visible()
    page.get_by_role("button", name="End access").click()
    expect(page.get_by_text("Ended ")).to_be_visible()
    reader.goto("/shared-packs")
    reader.get_by_label("Your code").fill(code)
    reader.get_by_role("button", name="Open the pack").click()
    expect(reader.get_by_text("This access has ended")).to_be_visible()
    expect(reader.get_by_text("The provider ended it")).to_be_visible()
    outside.close()


def test_a_pack_of_one_incident_is_asked_for_on_its_page(person: Person, accessible: Check) -> None:
    page = person("quality_lead")
    page.goto("/incidents")
    page.locator("main h2 a[href^='/incidents/']").first.click()
    page.get_by_role("link", name="Have an evidence pack of this incident built").click()
    expect(page.get_by_text("Of one incident.")).to_be_visible()
    accessible(page)
    page.get_by_role("button", name="Have it built").click()
    expect(page.get_by_role("heading", name="Evidence pack: one incident of")).to_be_visible(timeout=120_000)
    expect(page.get_by_text("<code")).to_have_count(0)


def test_packs_are_not_for_everybody(person: Person) -> None:
    page = person("carer")
    expect(page.get_by_role("link", name="Evidence packs")).to_have_count(0)
    page.goto("/packs")
    expect(page.get_by_role("heading", level=1)).to_contain_text("You may not")
