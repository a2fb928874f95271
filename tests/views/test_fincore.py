"""fincore: the table of util-linux."""

import random
import shutil
import subprocess

import pytest

from vmtool.records import FileInfo
from vmtool.views import fincore


def file(size, nr_pages, path="/scene.dat"):
    return FileInfo(path, 8, 1, 7, size, nr_pages, 0, 0, 0, False)


def test_columns():
    assert fincore.render(file(44016, 11, "/bin/cat"), 4096) == "  RES PAGES SIZE FILE\n  44K    11  43K /bin/cat\n"
    assert fincore.render(file(44016, 11, "/bin/cat"), 4096, in_bytes=True) == "  RES PAGES  SIZE FILE\n45056    11 44016 /bin/cat\n"


def test_pages_of_another_size():
    assert fincore.render(file(1 << 20, 3), page_bytes=65536).splitlines()[1].split() == ["192K", "3", "1M", "/scene.dat"]


@pytest.mark.parametrize("size, text", [(0, "0B"), (1023, "1023B"), (1024, "1K"), (1075, "1K"), (1076, "1.1K"), (1048575, "1024K")])
def test_rounding_to_a_decimal(size, text):
    assert fincore.human(size) == text


def test_live(tmp_path):
    if shutil.which("fincore") is None:
        pytest.skip("fincore of util-linux is not installed here")
    rng = random.Random(3)
    sizes = [0, 1, 1023, 1024, 1048575, 10**9] + [rng.randint(0, 1 << rng.randint(1, 36)) for _ in range(60)]
    for number, size in enumerate(sizes):
        path = tmp_path / f"{number}"
        with open(path, "wb") as f:
            f.truncate(size)
            written = f.write(b"x" * min(size, number << 11)) if number % 2 else 0  # just written: cached
        for words in ([], ["-b"]):
            real = subprocess.run(["fincore", *words, path], capture_output=True, text=True).stdout
            assert fincore.render(file(size, -(-written // 4096), str(path)), 4096, in_bytes=bool(words)) == real
