"""docs/pictures/report.png: the page of a story at one step, as Chromium shows it. `make pictures-update` takes it again.

Pixels depend on the fonts of the host; what was drawn is kept in the file as a text chunk, and a test compares that.
"""

import hashlib
import struct
import tempfile
import zlib
from pathlib import Path

from tests.face.golden import ROOT, STORIES
from vmtool.cli import front

PICTURE = ROOT / "docs" / "pictures" / "report.png"
STORY = next(story for story in STORIES if story.stem == "copy-on-write")
STEP = 8
SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEY = b"Source\0"
SIZE = {"width": 1440, "height": 860}


def page(directory: Path) -> Path:
    """The story's page."""
    path = directory / "story.html"
    assert front.run(["report", str(STORY), "-o", str(path)]) == 0
    return path


def fingerprint(driver_page) -> str:
    """Of what the reader sees: the picture but for the counts of the whole machine, the words beside it, the line, the tabs."""
    seen = driver_page.evaluate("""[...document.querySelectorAll('#is g, #explanation, #lines [aria-current], [role=tablist], nav')]
        .map((e) => e.textContent).filter((text) => !text.includes('frames: ')).join('\\n')""")
    return hashlib.sha256(seen.encode()).hexdigest()


def open_page(browser, path: Path):
    found = browser.new_page(viewport=SIZE, color_scheme="light")
    found.goto(f"{path.as_uri()}#{STEP}")
    return found


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def stamped(png: bytes, text: str) -> bytes:
    """A PNG with a text chunk behind its header (of 25 bytes)."""
    at = len(SIGNATURE) + 25
    return png[:at] + chunk(b"tEXt", KEY + text.encode()) + png[at:]


def stamp(png: bytes) -> str:
    at = png.index(b"tEXt" + KEY)
    length, = struct.unpack(">I", png[at - 4:at])
    return png[at + 4 + len(KEY):at + 4 + length].decode()


def take_if_changed(executable: str) -> bool:
    """True if it was taken again."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver, tempfile.TemporaryDirectory() as directory:
        browser = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        shown = open_page(browser, page(Path(directory)))
        is_old = not PICTURE.exists() or KEY not in (png := PICTURE.read_bytes()) or stamp(png) != fingerprint(shown)
        if is_old:
            PICTURE.write_bytes(stamped(shown.screenshot(), fingerprint(shown)))
        browser.close()
    return is_old
