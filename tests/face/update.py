"""`make pictures-update`: rewrite fixtures/pictures and, where there is a browser, the README's picture."""

import shutil
import tempfile
from pathlib import Path

from tests.face import golden, shot


def main() -> None:
    golden.PICTURES.mkdir(exist_ok=True)
    for story in golden.STORIES:
        with tempfile.TemporaryDirectory() as directory:
            text = golden.picture(story, Path(directory))
        path = golden.PICTURES / f"{story.stem}.svg"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"{path.name}: rewritten")
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        print(f"{shot.PICTURE.name}: there is no Chromium to take it with")
    elif shot.take_if_changed(executable):
        print(f"{shot.PICTURE.name}: taken")


if __name__ == "__main__":
    main()
