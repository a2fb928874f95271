"""The site: every link leads somewhere, nothing in it comes from elsewhere, and what it shows was run."""

import importlib.util
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from vmtool.cli import table

ROOT = Path(__file__).parents[2]
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "object": "data", "source": "src", "use": "href", "image": "href"}


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("docsite", ROOT / "scripts" / "docsite.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("MkDocs is not installed")
    where = tmp_path_factory.mktemp("site") / "built"
    ran = subprocess.run([sys.executable, "-m", "mkdocs", "build", "-q", "-f", str(ROOT / "mkdocs.yml"), "-d", str(where)],
                         capture_output=True, text=True, timeout=500)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    yield where
    shutil.rmtree(where)


class Page(HTMLParser):
    """What a page loads, what it links to, and its anchors."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.links, self.anchors, self.headings = [], [], set(), 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.headings += tag == "h1"
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag in LOADED and given.get(LOADED[tag]):
            self.loads.append(given[LOADED[tag]])
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}


def test_every_link_leads_to_a_page_and_a_place_in_it(site, pages):
    nr_links = 0
    for path, page in pages.items():
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https", "data"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_file() and target.is_relative_to(site.resolve()), f"{path.relative_to(site)}: {link}"
            if parts.fragment and target.suffix == ".html" and target.parent.name != "steps":  # there it is a step
                assert unquote(parts.fragment) in pages[target].anchors, f"{path.relative_to(site)}: {link}"
            nr_links += 1
    assert nr_links > 1000


def test_nothing_is_loaded_from_elsewhere(site, pages):
    for path, page in pages.items():
        assert [load for load in page.loads if urlsplit(load).netloc] == [], path
    for path in [*pages, *site.rglob("*.css"), *site.rglob("*.svg")]:
        text = path.read_text("utf-8")
        assert not re.search(r"""(?i)(?:@import|url\()\s*["']?(?:https?:)?//""", text), path
    assert sorted(path.name for path in (site / "search").glob("*.js")) and not list(site.rglob("highlight*"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_works_from_disk_in_a_browser(site, scheme):
    """Nothing is said in the console, pages are no wider than a phone, and a word is found."""
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no Chromium on the path")
    with driver.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page(color_scheme=scheme, viewport={"width": 390, "height": 800})
        said = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        for name in ("index.html", "exact.html", "systems/faults.html", "commands/draw.html", "stories/copy-on-write.html"):
            page.goto((site / name).as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        page.keyboard.press("s")
        page.locator("#mkdocs-search-query").press_sequentially("copy-on-write")
        page.wait_for_selector("#mkdocs-search-results article a")
        page.click("#mkdocs-search-results article a")
        page.wait_for_selector("h1")
        assert page.locator("h1").count() == 1
        browser.close()
    assert said == []


def test_every_page_has_a_title(pages):
    assert [path for path, page in pages.items() if page.headings != 1] == []


def test_every_command_has_a_page_and_every_transcript(site):
    assert {path.stem for path in (site / "commands").glob("*.html")} == {"index", *table.names()}
    for folder, place in (("tutorial", "tutorial"), ("stories", "stories"), ("commands", "examples")):
        wanted = {path.stem for path in (ROOT / "fixtures" / "transcripts" / folder).glob("*.t")}
        assert wanted <= {path.stem for path in (site / place).glob("*.html")}
    assert {path.stem for path in (site / "steps").glob("*.html")} == {path.stem for path in (ROOT / "fixtures" / "stories").glob("*.vmt")}


def test_every_system_has_a_picture_that_was_drawn(site, pages):
    names = [path for path in sorted((site / "systems").glob("*.html")) if path.name != "index.html"]
    assert len(names) > 15
    for path in names:
        pictures = [load for load in pages[path].loads if load.endswith(".svg")]
        assert pictures, path
        for picture in pictures:
            assert (path.parent / picture).read_text("utf-8").startswith("<svg ")


def test_a_page_says_what_its_commands_printed(site):
    text = (site / "systems" / "stack.html").read_text("utf-8")
    assert "[139]" in text and "SIGSEGV" in text
    assert "7ffffffde000-7ffffffff000 rw-p" in text


def test_what_is_exact_is_what_the_tree_says(site):
    shown = " ".join(re.sub(r"<[^>]*>", "", (site / "exact.html").read_text("utf-8")).split())
    for line in (ROOT / "vmtool" / "mm" / "COVERAGE.md").read_text("utf-8").split("\n"):
        if line.startswith("| mremap"):
            assert line.split("|")[3].strip() in shown
    assert "The judge is Linux itself." in shown


def test_a_transcript_becomes_prose_and_blocks(maker):
    page = maker.transcript_page("A title\n=======\n\nOne <two> *three* `<four>`.\n\n  $ vmtool x\n  out\n\nEnd.\n", "x.t")
    assert page == "# A title\n\n\nOne &lt;two> \\*three\\* `<four>`.\n\n```console\n$ vmtool x\nout\n```\n\n\nEnd.\n"


def test_the_first_sentence_is_the_title(maker):
    assert maker.transcript_page("Traces. A log.\n\n  $ x\n", "x.t") == "# Traces\n\nA log\n\n```console\n$ x\n```\n"


def test_links_of_the_tree_are_links_of_the_site(maker):
    text = "[a](mm/README.md) [b](mm/COVERAGE.md#files) [c](_core.pyi) [d](https://example.org)"
    assert maker.relinked(text, "vmtool", "systems/x.md") == (
        "[a](../inside/mm.md) [b](../exact.md#files) c (`vmtool/_core.pyi`) [d](https://example.org)")
    with pytest.raises(maker.Broken, match="nowhere.md"):
        maker.relinked("[a](nowhere.md)", "vmtool", "x.md")


def test_a_section_that_is_not_there_breaks_the_build(maker):
    with pytest.raises(maker.Broken, match="no section 'Nothing'"):
        maker.included("<!-- include README.md Nothing -->", "x.md")


def test_a_session_is_played(maker):
    block = "$ vmtool spawn\n$ vmtool touch 1 0 --probe\n[139]\n$ vmtool draw 1 --svg a.svg\n"
    text, pictures = maker.played(f"```session\n{block}```\n", "x.md")
    assert text.startswith("```console\n$ vmtool spawn\n1\n$ vmtool touch 1 0 --probe\nvmtool: touch: SIGSEGV") and "\n[139]\n" in text
    assert list(pictures) == ["a.svg"]


def test_a_session_that_fails_breaks_the_build(maker):
    with pytest.raises(maker.Broken, match="x.md: vmtool touch 1 0: status 1, not 0"):
        maker.played("```session\n$ vmtool touch 1 0\n```\n", "x.md")


def test_words_are_no_markup(maker):
    assert maker.escaped("a *b* <c> [d] | `e*` f_g") == "a \\*b\\* \\<c\\> \\[d\\] \\| `e*` f\\_g"
