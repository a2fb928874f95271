"""What execve() leaves, for programs of many shapes, and the first touches of their pages."""

import os

from tests.differential import calls, target
from tests.differential.mappings import mmap
from tests.differential.writer import PAGE, Writer


def _dump(w: Writer, pid: str) -> None:
    for call in (calls.cat_maps, calls.smaps, calls.status, calls.statm):
        call(w, pid)


def static(w: Writer) -> None:
    """Every view of a process at its first instruction."""
    exe = w.pick(("target", "target-pie", "target-static-pie", "ld.so"))
    w.line(f"p = spawn --exe {w.root}/{exe}")
    w.pids.append("p")
    _dump(w, "p")
    for area in w.areas("p"):
        if area.end <= 1 << 47:
            w.line(f"pagemap $p {hex(area.start)} {hex(area.end - area.start)} --raw")
    w.enter("p")
    w.line(f"brk $p --by {w.size(w.number(1, 40) * PAGE)}")
    _dump(w, "p")


def touches(w: Writer) -> None:
    """The program's own pages, one after the other."""
    w.spawn(w.pick(("target", "target-pie", "target-static-pie")))
    first = w.task("p").stub - PAGE
    for _ in range(w.number(6, 14)):
        w.line(f"touch $p {hex(first + w.number(0, 7) * PAGE)} -{w.pick('rwx')} --probe")
        w.line("status $p")
    for at in (0x3000, 0x4000, 0x57F8):
        w.line(f"load $p {hex(first + at)} 32 --hex")
    _dump(w, "p")


def instances(w: Writer) -> None:
    """Some programs at once: their text is shared, their data is not."""
    for _ in range(w.number(2, 3)):
        w.spawn(w.pick(("target", "target", "target-pie")))
    for _ in range(w.number(3, 10)):
        pid = w.pick(w.pids)
        first = w.task(pid).stub - PAGE
        w.line(f"touch ${pid} {hex(first + w.number(0, 7) * PAGE)} -{w.pick('rrw')} --probe")
        w.line(f"smaps ${w.pick(w.pids)}")
    w.exit(w.pids[-1])
    for pid in w.pids:
        _dump(w, pid)


def shapes(w: Writer) -> None:
    """A program with a layout of its own: base, alignment, data, bss, an executable stack."""
    kind = w.number(0, 2)
    shape = {
        "base": w.pick((0x400000, 0x10000, 0x7FFFF0000000, 0x600000)) if kind == 0 else 0,
        "interp": f"{w.root}/ld.so" if kind == 2 else None,
        "is_dyn": kind > 0,
        "nr_data": w.number(1, 4),
        "nr_bss": w.pick((0, 1, 2, 40)),
        "tail": w.pick((0x800, 8, 0xFF0, 0x1000)),
        "align": w.pick((4096, 4096, 65536, 2 << 20)),
        "exec_stack": w.chance(20),
    }
    name = "target-" + "-".join(f"{int(v is not None and v or 0):x}" if k != "interp" else str(int(bool(v))) for k, v in shape.items())
    if not os.path.exists(f"{w.root}/{name}"):
        target.write_program(f"{w.root}/{name}", target.program(**shape))
    limit = w.chance(30)
    if limit:
        w.spawn()
        w.line(f"setrlimit $p stack {w.pick(('64M', '512M', 'unlimited', '1M'))}")
        w.line(f"exec $p {w.root}/{name}")
        w.enter("p")
    else:
        w.spawn(name)
    _dump(w, "p")
    first = w.task("p").stub - PAGE
    for _ in range(w.number(1, 6)):
        w.line(f"touch $p {hex(first + w.number(4, 8) * PAGE)} -{w.pick('rwx')} --probe")
    w.line(f"brk $p --by {w.size(w.number(1, 40) * PAGE)}")
    mmap(w, "p", w.number(1, 600), "rw")
    _dump(w, "p")


SUBS = {"static": static, "static-touch": touches, "two-instances": instances, "shapes": shapes}
