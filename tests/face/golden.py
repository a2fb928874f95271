"""The stories' last pictures, and where they are kept."""

from pathlib import Path

from vmtool.cli import pages
from vmtool.cli.execute import Settings
from vmtool.face import read, svg

ROOT = Path(__file__).parents[2]
STORIES = sorted((ROOT / "fixtures" / "stories").glob("*.vmt"))
PICTURES = ROOT / "fixtures" / "pictures"


def picture(story: Path, directory: Path) -> str:
    """What a story ends with, on a machine of its own. The lines of counts are left out: they are the whole kernel's business."""
    with pages.run_lines(Settings(str(directory / "none.vmt")), story.read_text("utf-8").splitlines(), story.stem) as machine:
        lines = svg.render(read.read(machine)).splitlines(keepends=True)
    return "".join([line for line in lines if 'class="faint counts"' not in line])
