"""`make pictures-update`: rewrite fixtures/pictures."""

import tempfile
from pathlib import Path

from tests.face import golden


def main() -> None:
    golden.PICTURES.mkdir(exist_ok=True)
    for story in golden.STORIES:
        with tempfile.TemporaryDirectory() as directory:
            text = golden.picture(story, Path(directory))
        path = golden.PICTURES / f"{story.stem}.svg"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"{path.name}: rewritten")


if __name__ == "__main__":
    main()
