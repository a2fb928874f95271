"""What a page shows of a machine at one step: the picture, the story, maps, walks, counters, TLB, free lists, as lines of text."""

from __future__ import annotations

from vmtool.face import figure_text, read, svg, svg_document, terminal
from vmtool.face.changes import Changes
from vmtool.records import NamedTuple
from vmtool.views import kmsg

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine
    from vmtool.face.scene import Scene
    from vmtool.records import TraceRecord

NAMES = ("output", "maps", "smaps", "page walk", "counters", "TLB", "free lists", "kernel log", "text")
MOST_ROWS = 300
MOST_SPACES = 8  # of which maps and smaps are shown
FAULTS = ("page_fault", "segv", "bus")


class Look(NamedTuple):
    """One moment. `picture` is SVG without its style sheet; each panel is lines; counters are `name`, tab, `value`."""

    scene: Scene | None
    picture: str
    panels: dict[str, str]


NOTHING = Look(None, "", dict.fromkeys(NAMES[1:], ""))


def look(machine: Machine, before: Look, place: tuple[int, int] | None) -> Look:
    """A machine as it is, its picture marked by what is otherwise than `before`. `place`: (pid, address) of the walk that is shown."""
    scene = read.read(machine, most=MOST_ROWS)
    alike = before.scene is not None and before.scene.detail == scene.detail
    changes = Changes(before.scene, scene) if alike and before.scene is not None else None
    picture = svg_document.without_style(svg.render(scene, changes))
    pids = [space.pid for space in scene.spaces][:MOST_SPACES]
    panels = {
        "maps": _of_each(machine, pids, "maps"),
        "smaps": _of_each(machine, pids, "smaps"),
        "page walk": _walk(machine, place),
        "counters": _counters(machine),
        "TLB": _tlb(machine),
        "free lists": _free(machine),
        "kernel log": kmsg.render(machine.kmsg()),
        "text": terminal.render(scene, changes=changes).plain(),
    }
    return Look(scene, picture, panels)


def place_of(trace: list[TraceRecord], before: tuple[int, int] | None) -> tuple[int, int] | None:
    """Where the last fault of a command was; else where one was before."""
    for record in reversed(trace):
        if record.event in FAULTS and "addr" in record.args and record.pid:
            return record.pid, record.args["addr"]
    return before


def _of_each(machine, pids, name):
    from vmtool.procfs.tree import Tree

    tree = Tree(machine)
    parts = []
    for pid in pids:
        text = tree.process_file(pid, name)()
        text = text if isinstance(text, str) else text.decode("utf-8", "surrogateescape")
        parts.append(f"/proc/{pid}/{name}\n{text}")
    return "\n".join(parts)


def _walk(machine, place):
    from vmtool.errors import KernelError
    from vmtool.views import walk as view

    if place is None:
        return "No page fault so far.\n"
    try:
        return f"process {place[0]}\n" + view.render(machine.walk(*place))
    except KernelError:
        return f"process {place[0]} has ended\n"


def _counters(machine):
    """Processes' counts, then meminfo, then vmstat, without those that are 0 in a machine that never moved them."""
    lines = []
    for task in machine.tasks():
        lines += [f"{task.comm} ({task.pid}) minor faults\t{task.min_flt}", f"{task.comm} ({task.pid}) major faults\t{task.maj_flt}"]
        if task.has_mm:
            mm = machine.mm(task.pid)
            lines += [f"{task.comm} ({task.pid}) rss anon\t{mm.rss_anon}", f"{task.comm} ({task.pid}) rss file\t{mm.rss_file}"]
    lines += [f"{name}\t{value}" for name, value in machine.meminfo().items()]
    lines += [f"{name}\t{value}" for name, value in machine.vmstat().items() if value]
    return "\n".join(
        [line if line.isprintable() else "".join([c if c.isprintable() or c == "\t" else "?" for c in line]) for line in lines]
    )


def _tlb(machine):
    from vmtool.face import tlb

    return figure_text.render(tlb.figure(machine), width=110).plain()


def _free(machine):
    from vmtool.face import buddy

    return figure_text.render(buddy.figure(machine), width=110).plain()
