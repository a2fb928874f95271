"""Pages in a real browser: what they show, how they are stepped through, and that nothing is said in the console.

Needs Chromium and playwright (pip install playwright; its own browsers are not needed).
"""

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.face import shot
from vmtool.cli import front

BROWSERS = ("chromium", "chromium-browser", "chromium-headless-shell", "google-chrome")
BROWSER = next((path for name in BROWSERS if (path := shutil.which(name))), None)


def obstacle():
    """Why pages cannot be looked at here; VMTOOL_REQUIRE_HOST=1 makes it a failure."""
    why = ""
    if BROWSER is None:
        why = "no Chromium on the path"
    else:
        try:
            import playwright.sync_api  # noqa: F401
        except ImportError:
            why = "the Python package playwright is not installed"
    if why and os.environ.get("VMTOOL_REQUIRE_HOST"):
        pytest.fail(why)
    return why


pytestmark = [pytest.mark.skipif(bool(obstacle()), reason=obstacle()), pytest.mark.xdist_group("browser")]
STORIES = sorted((Path(__file__).parents[2] / "fixtures" / "stories").glob("*.vmt"))


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


class Opened:
    """A page with what it said in its console, and what it asked for."""

    def __init__(self, browser, path, **context):
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.url = path.as_uri()
        self.page.goto(self.url)

    def at(self):
        return self.page.text_content("#where")

    def current(self):
        return self.page.text_content("#lines [aria-current=step] code")


@pytest.fixture
def opened(browser, tmp_path, monkeypatch):
    """Opens the page of a story; at the end, no console message and no request but for the file itself."""
    monkeypatch.chdir(tmp_path)
    pages = []

    def make(story, hash="", **context):
        path = tmp_path / f"{story.stem}.html"
        assert front.run(["report", str(story), "-o", str(path)]) == 0
        found = Opened(browser, path, **context)
        if hash:
            found.page.goto(found.url + hash)
        pages.append(found)
        return found

    yield make
    for found in pages:
        assert found.said == []
        assert {url.split("#")[0] for url in found.asked if not url.startswith("data:")} == {found.url}
        found.context.close()


def story(name):
    return next(path for path in STORIES if path.stem == name)


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_every_step_of_a_story_has_a_picture(opened, path):
    found = opened(path)
    nr_steps = found.page.locator("#lines li").count()
    for i in range(nr_steps):
        assert found.at() == f"{i} of {nr_steps - 1}"
        assert found.page.locator("#is svg[role=img]").count() == 1
        assert found.page.locator("#is svg > title").text_content().startswith("Memory of")
        found.page.keyboard.press("ArrowRight")
    assert found.at() == f"{nr_steps - 1} of {nr_steps - 1}"


def test_keys_and_mouse_and_address(opened):
    found = opened(story("copy-on-write"), "#3")
    assert found.at().startswith("3 of ")
    page = found.page
    for key, at in (("j", 4), ("ArrowRight", 5), ("k", 4), ("ArrowLeft", 3), ("Home", 0), ("ArrowLeft", 0)):
        page.keyboard.press(key)
        assert found.at().split()[0] == str(at)
        assert page.url.endswith(f"#{at}")
    page.keyboard.press("End")
    assert page.locator("#forth").is_disabled()
    page.click("#back")
    page.click("text=spawn viewer")
    assert found.current() == "spawn viewer"
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.evaluate("location.hash = '#5'")
    page.wait_for_function("document.getElementById('where').textContent.startsWith('5 ')")


def test_arrows_counted_in_the_page_are_present_entries(opened):
    """After the write to the shared page: three entries of each program on scene.dat, one of them on a copy."""
    found = opened(story("copy-on-write"))
    found.page.click("text=store 1 scene.dat+8K THIRD")
    ends = found.page.eval_on_selector_all(
        "#is path.arrow", "all => all.map(a => [a.dataset.pid, a.dataset.address, a.getAttribute('marker-end')])"
    )
    mapped = sorted(end for end in ends if end[1].startswith("7ffff7ff"))
    assert [(pid, head) for pid, _, head in mapped] == [
        ("1", "url(#ro)"),
        ("1", "url(#ro)"),
        ("1", "url(#rw)"),
        ("2", "url(#ro)"),
        ("2", "url(#ro)"),
        ("2", "url(#ro)"),
    ]
    assert "Copy-on-write" in found.page.text_content("#explanation")
    assert found.page.locator("#is path.arrow.new").count() == 1


def test_tabs_counters_and_comparing(opened):
    found = opened(story("brk"))
    page = found.page
    page.click("text=touch 1 heap")
    assert page.locator("[role=tab][aria-selected=true]").text_content() == "maps"  # its one line of output stands on the left
    page.click("[role=tab] >> text=output")
    assert page.text_content("#panel") == "minor=1 major=0"
    page.click("text=spawn render")
    assert page.locator("[role=tab][aria-selected=true]").text_content() == "output"  # a reader's choice stays
    page.click("text=touch 1 heap")
    page.click("[role=tab] >> text=counters")
    moved = page.locator("#panel tr.moved", has_text="minor faults")
    assert moved.text_content().endswith("+1")
    assert page.locator("#panel tr.still").count() > 10
    page.keyboard.press("Escape")
    page.locator("[role=tab][aria-selected=true]").press("ArrowRight")
    assert page.locator("[role=tab][aria-selected=true]").text_content() == "TLB"
    page.click("[role=tab] >> text=page walk")
    assert page.locator("#panel ins", has_text="P RW US A D NX").count() == 1
    page.keyboard.press("d")
    assert page.locator("#was svg").count() == 1 and page.locator("#is svg").count() == 1
    assert page.evaluate("new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size === document.querySelectorAll('[id]').length")


def test_finding(opened):
    found = opened(story("brk"))
    found.page.keyboard.press("End")
    found.page.click("[role=tab] >> text=maps")
    found.page.keyboard.press("/")
    found.page.keyboard.type("[heap]")
    assert found.page.locator("#is g.found").count() == 1
    assert found.page.locator("#panel .found").count() == 1
    found.page.keyboard.press("Escape")
    assert found.page.locator(".found").count() == 0


def test_everything_is_reached_by_tab_and_steps_are_announced(opened):
    found = opened(story("brk"))
    reached = set()
    for _ in range(60):
        found.page.keyboard.press("Tab")
        reached.add(found.page.evaluate("document.activeElement.closest('[id]')?.id"))
    assert {"forth", "last", "compare", "help", "find", "picture", "lines", "panel", "tab1"} <= reached
    found.page.locator("#forth").focus()
    found.page.keyboard.press("Enter")
    assert re.match(r"Step 1 of \d+: spawn render\. 1\. \d+ rows", found.page.text_content("#said"))


def test_a_phone_has_one_column_and_swipes(opened):
    found = opened(story("read"), viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page = found.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    tops = [page.locator(f"#{name}").bounding_box()["y"] for name in ("lines", "picture", "explanation", "more")]
    assert tops == sorted(tops) and len(set(tops)) == 4
    swipe = """([from, to]) => {
        const main = document.querySelector('#explanation');
        const touch = (x) => new Touch({identifier: 1, target: main, clientX: x, clientY: 300});
        main.dispatchEvent(new TouchEvent('touchstart', {bubbles: true, touches: [touch(from)], changedTouches: [touch(from)]}));
        main.dispatchEvent(new TouchEvent('touchend', {bubbles: true, touches: [], changedTouches: [touch(to)]}));
    }"""
    page.evaluate(swipe, [300, 100])
    assert found.at().startswith("1 ")
    page.evaluate(swipe, [100, 300])
    assert found.at().startswith("0 ")
    page.keyboard.press("End")
    last = found.at()
    page.evaluate(swipe.replace("#explanation", "#is svg"), [100, 300])  # who moves the picture does not step
    assert found.at() == last


def test_a_line_that_printed_more_or_failed_shows_it(opened):
    found = opened(story("stack"))
    found.page.keyboard.press("End")
    assert "SIGSEGV" in found.page.text_content("#panel")
    gone = found.page.locator("#is .gone").all_text_contents()
    assert "frame 02209..0221f A" in gone[1:] or 1 < len(gone) < 15, gone  # runs, not one line a frame


@pytest.mark.parametrize("scheme, is_dark", [("light", False), ("dark", True)])
def test_light_and_dark(opened, scheme, is_dark):
    found = opened(story("brk"), color_scheme=scheme)
    for where, name in (("body", "backgroundColor"), ("#is svg", "backgroundColor")):
        colour = found.page.eval_on_selector(where, f"e => getComputedStyle(e).{name}")
        assert (sum(map(int, re.findall(r"\d+", colour)[:3])) < 300) == is_dark


def test_a_step_a_sheet(opened):
    found = opened(story("brk"))
    nr_steps = found.page.locator("#lines li").count()
    found.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert found.page.locator("#sheets section").count() == nr_steps
    assert found.page.locator("#sheets svg").count() == nr_steps
    found.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert found.page.locator("#sheets section").count() == 0


def test_the_picture_in_the_readme_is_what_the_page_shows_today(browser, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f"({shot.PICTURE.relative_to(shot.ROOT)})" in (shot.ROOT / "README.md").read_text("utf-8")
    page = shot.open_page(browser, shot.page(tmp_path))
    assert shot.fingerprint(page) == shot.stamp(shot.PICTURE.read_bytes()), "make pictures-update"
    page.close()
