"""free: byte for byte what procps 4.0.2 prints, recorded for everywhere and live where it is installed."""

import json
import random

import pytest
from procfs.captured import CAPTURES, FIXTURES, text

from tools.draw import FLAGS, UNIT_FLAGS, drawn_words, synthetic
from tools.real import need, outputs
from vmtool.tools import free, meminfo_text

RECORDED = [json.loads(line) for line in (FIXTURES / "procps-4.0.2" / "free.jsonl").read_text().splitlines()]



def options(words):
    """What the command line makes of free's options."""
    return dict([("unit", UNIT_FLAGS[word]) if word in UNIT_FLAGS else (FLAGS[word], True) for word in words])


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: " ".join(case["words"]) or "plain")
def test_recorded(case):
    meminfo = text(case["capture"] + "/meminfo") if "capture" in case else case["meminfo"]
    assert free.run(meminfo, options(case["words"])) == case["out"]


def test_live(tmp_path):
    need("free")
    rng = random.Random(4)
    cases = [(synthetic(rng), drawn_words(rng)) for _ in range(300)]
    cases += [(text(f"{capture}/meminfo"), [unit]) for capture in CAPTURES for unit in UNIT_FLAGS]
    real = outputs([({"/proc/meminfo": meminfo}, ["free", *words]) for meminfo, words in cases], tmp_path)
    for (meminfo, words), out in zip(cases, real, strict=True):
        assert free.run(meminfo, options(words)) == out, words


def human(kb, si=False):
    return free.scale(kb, "h", si)


def test_human_figures():
    # 9.96 GiB: "10.0Gi" has six characters, and without a decimal it is cut, not rounded
    assert human(10443817) == "9Gi"
    assert human(1000) == "1.0Mi" and human(999) == "999Ki"
    assert human(1023 << 10) == "1.0Gi"
    assert human(0) == "0B"
    assert human(1000, si=True) == "1.0M"


def test_used_is_negative_when_the_figures_disagree():
    f = free.figures("MemTotal: 1000 kB\nMemFree: 2000 kB\n")
    assert (f.used, f.available) == (-1000, 2000)
    assert free.scale(f.used, "m") == "0"  # -0.98 MiB: C divides towards zero


def test_available_beyond_total_is_not_believed():
    f = free.figures("MemTotal: 1000 kB\nMemFree: 200 kB\nMemAvailable: 1001 kB\n")
    assert (f.used, f.available) == (800, 200)


def test_text_that_is_no_meminfo():
    with pytest.raises(meminfo_text.MeminfoError):
        free.run("", {})
    assert "Mem:               0           0" in free.run("no colon here", {})


def test_lines_as_the_library_reads_them():
    assert meminfo_text.parse("hello\nMemTotal: 12x kB\nMemFree:99\nMemFree: -7\nBuffers 12\n") == {"hello\nMemTotal": 12, "MemFree": -7}
