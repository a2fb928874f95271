"""Which columns of ps are of stat alone: tried, so that a list makes status for nobody who does not ask for it, and for all who do."""

import pytest

from vmtool.tools import ps
from vmtool.tools.ps_fields import FIELDS, STAT_ALONE
from vmtool.tools.ps_options import PsError, parse

STAT = ("7 (one) S 1 7 7 0 -1 0 5 0 6 0 7 8 0 0 20 0 1 0 300 4096000 100 18446744073709551615 "
        "1 2 3 0 0 0 0 0 0 1 0 0 17 0 0 0 0 0 0 1 2 3 4 5 6 7 0\n")
FILES = {"meminfo": "MemTotal: 1000 kB\n", "uptime": "900.00 1.00\n", "stat": "btime 5\n", "7/stat": STAT, "7/cmdline": "one\0"}


class Source:
    now, page_bytes = None, 4096

    def __init__(self):
        self.asked = set()

    def read(self, path):
        self.asked.add(path)
        return FILES.get(path)

    def pids(self):
        return [7]

    def threads(self, pid):
        return []

    def user(self, uid):
        return str(uid)

    group = user


def listed(words):
    source = Source()
    options = parse(words)
    ps.render(source, options, ps.chosen(source, options))
    return options, source.asked


@pytest.mark.parametrize("name", FIELDS)
def test_a_column_asks_what_it_is_said_to(name):
    options, asked = listed(["-eo", name])
    others = {path for path in asked if path.startswith("7/")} - {"7/stat", "7/status"}
    assert not (FIELDS[name].show in STAT_ALONE and others)
    assert ps.asks_status(options) == ("7/status" in asked) or others
    assert "7/status" not in asked or ps.asks_status(options)


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.key is not None])
def test_an_order_asks_what_it_is_said_to(name):
    try:
        options, asked = listed(["-eo", "pid", "--sort", name])
    except PsError:
        pytest.skip("ps does not sort by it")
    assert "7/status" not in asked or ps.asks_status(options)


@pytest.mark.parametrize("words, is_asked", [
    ("-e", False), ("-ef", True), ("aux", True), ("-eo pid,comm", False), ("-u 5", True), ("-G 5", True), ("-p 7", False),
    ("--ppid 1", False),    ("-eo pid --sort rss", True), ("-s 7", False), ("-el", True)])  # fmt: skip
def test_lists(words, is_asked):
    options, asked = listed(words.split())
    assert ps.asks_status(options) == is_asked == ("7/status" in asked)
