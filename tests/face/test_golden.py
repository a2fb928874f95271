"""The pictures of the stories, byte for byte; `make pictures-update` rewrites them."""

import pytest

from . import golden


@pytest.mark.parametrize("story", golden.STORIES, ids=lambda path: path.stem)
def test_a_story_ends_with_its_picture(story, tmp_path):
    assert golden.picture(story, tmp_path) == (golden.PICTURES / f"{story.stem}.svg").read_text("utf-8")


def test_no_picture_is_left_over():
    assert {path.stem for path in golden.PICTURES.glob("*.svg")} == {path.stem for path in golden.STORIES}
