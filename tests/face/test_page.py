"""A page: what its script puts together again is what was looked at; it refers to nothing outside; it stays small."""

import base64
import hashlib
import html.parser
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmtool.cli import front
from vmtool.face import page, panels

from .conftest import story


def data_of(text):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def states_of(data):
    """What page.js does."""
    before, states = {}, []
    for _, _, _, _, changed in data["steps"]:
        now = dict(before)
        for name, (head, tail, *between) in changed.items():
            old = before.get(name, [])
            now[name] = [*old[:head], *between, *old[len(old) - tail :]]
        states.append({name: "\n".join([data["strings"][i] for i in lines]) for name, lines in now.items()})
        before = now
    return states


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)))
def test_a_difference_gives_the_new_list_again(old, new):
    head, tail, *between = page.difference(old, new)
    assert [*old[:head], *between, *old[len(old) - tail :]] == new


def test_each_panel_of_each_step_comes_back():
    m = story()
    looks = [panels.look(m, panels.NOTHING, None)]
    m.store(2, next(vma.start for vma in m.maps(2) if vma.name == "/scene.dat"), b"x")
    looks.append(panels.look(m, looks[0], (2, 0x400000)))
    m.exit(1)
    looks.append(panels.look(m, looks[1], (1, 0x400000)))
    steps = [page.Step("", f"line {i}", 0, "", {"picture": look.picture, **look.panels}) for i, look in enumerate(looks)]
    found = states_of(data_of(page.render("t", steps, panels.NAMES)))
    for look, state in zip(looks, found, strict=True):
        for name, text in {"picture": look.picture, **look.panels}.items():
            assert state.get(name, "") == "\n".join(text.splitlines())
    assert 'class="row changed"' in looks[1].picture and 'class="gone"' in looks[2].picture
    assert "has ended" in looks[2].panels["page walk"]


class Reader(html.parser.HTMLParser):
    """Collects what could load something, ids, and what names them."""

    def __init__(self):
        super().__init__()
        self.loads, self.ids, self.named = [], [], []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.loads += [value for name in ("src", "href", "data", "action") if (value := found.get(name))]
        self.ids += [found["id"]] if "id" in found else []
        self.named += [found[name] for name in ("aria-controls", "aria-labelledby") if name in found]


@pytest.fixture
def report(tmp_path, monkeypatch, capfd):
    """Run `report` on a script's text: (exit status, page, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(text, *options):
        (tmp_path / "s.vmt").write_text(text)
        status = front.run(["report", "s.vmt", "-o", "out.html", *options])
        out = tmp_path / "out.html"
        return status, out.read_text("utf-8") if out.exists() else "", capfd.readouterr().err

    return run


HOSTILE = """\
# </title><script>alert(1)</script>
init
mkfile '/a</script><img src=x onerror=alert(1)>' 4K
spawn '<b>&"'
mmap 1 4K --file '/a</script><img src=x onerror=alert(1)>'
-touch 1 0
"""


def test_it_holds_everything_and_names_everything(report):
    status, text, _ = report(HOSTILE)
    assert status == 0
    assert text.count("<script") == text.count("</script>") == 2
    reader = Reader()
    reader.feed(text)
    assert [load for load in reader.loads if not load.startswith(("data:,", "#"))] == []
    assert len(set(reader.ids)) == len(reader.ids)
    assert {name for names in reader.named for name in names.split()} <= set(reader.ids)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    hashed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#x27;sha256-{hashed}" in text or f"script-src 'sha256-{hashed}'" in text
    assert any("alert(1)" in string for string in data_of(text)["strings"])
    assert all("<img" not in string for state in states_of(data_of(text)) for string in [state["picture"]])


def test_steps_prose_and_failures(report, tmp_path):
    status, text, err = report("# Title\n\n# one\n# two\n\n# three\nspawn x\na = brk 1 --by 4K\n-touch 1 0\nps\ntouch 1 heap\nnever\n")
    assert status == 1 and "x" not in err.split(":")[0]
    steps = data_of(text)["steps"]
    assert [(step[1], step[2]) for step in steps] == [
        ("spawn x", 0),
        ("a = brk 1 --by 4K", 0),
        ("-touch 1 0", 139),
        ("ps", 0),
        ("touch 1 heap", 1),
    ]
    assert steps[0][0] == "one two\n\nthree"
    assert steps[1][3] == "0x406000" and "SIGSEGV" in steps[2][3]
    assert "<title>Title</title>" in text
    assert not (tmp_path / "machine.vmt").exists()


def test_a_line_shows_what_it_printed_itself(report):
    """Plain ones too: those were shown with the output, and the status, of the line before."""
    _, text, _ = report("spawn x\nbrk 1 --by 64K\ntouch 1 405000 8192\n-touch 1 0\ntouch 1 407000 4096\n")
    assert [(step[2], step[3]) for step in data_of(text)["steps"]][2:] == [
        (0, "minor=2 major=0"), (139, "vmtool: touch: SIGSEGV at 0x0 (SEGV_MAPERR)"),
        (1, "vmtool: touch: ESRCH (No such process): no process 1")]  # fmt: skip


def test_it_runs_on_a_copy_of_the_machine(report, tmp_path):
    assert front.run(["spawn", "first"]) == 0
    before = (tmp_path / "machine.vmt").read_bytes()
    status, text, _ = report("spawn second\n")
    assert status == 0 and "first (1)" in "\n".join(data_of(text)["strings"])
    assert (tmp_path / "machine.vmt").read_bytes() == before


def test_an_empty_script_and_one_that_would_replay_are_refused(report):
    assert report("# nothing\n")[0] == 2
    assert report("spawn x\nrun other\n")[0] == 2


def test_two_hundred_steps_stay_below_five_megabytes(report):
    lines = ["init", "mkfile scene.dat 1M"]
    for i in range(1, 5):
        lines += [f"spawn p{i}", f"brk {i} --by 256K", f"m{i} = mmap {i} 1M --private --file scene.dat"]
    while len(lines) < 200:
        i = len(lines)
        lines.append(f"touch {i % 4 + 1} heap+{i % 60 * 4}K 8K" if i % 3 else f"touch {i % 4 + 1} $m{i % 4 + 1} {i % 200 * 4}K -r")
    status, text, err = report("\n".join(lines))
    assert (status, err) == (0, "")
    assert len(data_of(text)["steps"]) == 200
    assert len(text.encode()) < 5 << 20
