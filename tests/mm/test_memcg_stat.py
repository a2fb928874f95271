"""memory.stat of control groups and OOM within one, beside what a real 6.18 printed (fixtures/cgroup, whose README says how)."""

import itertools
import re
from errno import ENOTRECOVERABLE
from pathlib import Path

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from vmtool.errors import KernelError, Signal  # noqa: E402

RECORDED = Path(__file__).resolve().parents[2] / "fixtures" / "cgroup"
KIB, MIB, PAGE = 1 << 10, 1 << 20, 4096
RW, PRIVATE, SHARED = 3, 0x22, 0x21
NR_STATS = 48
MADV_FREE, MADV_COLD, MADV_PAGEOUT = 8, 20, 21
STATES = ("anon", "file", "shmem", "file_mapped", "file_dirty", "file_writeback", "swapcached", "anon_thp", "file_thp", "shmem_thp",
          "inactive_anon", "active_anon", "inactive_file", "active_file", "unevictable")


def machine_of(swap=64 * MIB, ram=512 * MIB, **more):
    machine = core.Machine()
    machine.boot(ram_bytes=ram, swap_bytes=swap, **more)
    pid = machine.spawn("agent", None, [b"agent"], [])
    return machine, pid


def stat(machine, group="g"):
    return machine.cgroup(group)["memory.stat"]


def lines_of(text):
    return [(name, int(value)) for name, value in re.findall(r"^(\w+) (\d+)$", text, re.MULTILINE)]


def test_the_lines_are_those_of_6_18_in_its_order():
    machine, _ = machine_of()
    machine.cgroup_create("g")
    expected = lines_of((RECORDED / "memory.stat").read_text("ascii"))
    assert list(stat(machine).items()) == expected
    assert list(stat(machine, "/")) == [name for name, _ in expected]


def course():
    """Step -> memory.stat of g, what is not 0."""
    found = {}
    for step, text in re.findall(r"^== (\w+)\ng current [^\n]*\n([^\n]*)", (RECORDED / "course.txt").read_text("ascii"), re.MULTILINE):
        found[step] = dict(re.findall(r"(\w+) (\d+)", text))
    return found


def test_a_course_changes_each_figure_as_6_18_changes_it():
    """Differences from step to step, of what does not depend on the agent's own program: in bytes, faults and pages."""
    machine, pid = machine_of()
    machine.mkfile("/f0", 32 * MIB)
    machine.drop_caches(1)
    machine.cgroup_create("g")
    machine.cgroup_move("g", pid)
    anon = machine.mmap(pid, 0, 8 * MIB, RW, PRIVATE)
    area = {}

    def map_and_touch(name, nr_bytes, flags, path, access, length):
        area[name] = machine.mmap(pid, 0, nr_bytes, RW, flags, path=path) if path else machine.mmap(pid, 0, nr_bytes, RW, flags)
        machine.touch(pid, area[name], length, access)

    def read():
        machine.read(pid, "/f0", 0, 4 * MIB)

    steps = (
        ("anon8", ("anon", "pgfault"), lambda: machine.touch(pid, anon, 8 * MIB, "w")),
        ("look", ("anon", "pgfault", "kernel"), lambda: machine.touch(pid, anon, 4 * MIB, "r")),
        ("read4", (), read),
        ("file2", ("anon", "file_mapped", "pgfault"), lambda: map_and_touch("file", 2 * MIB, 1, "/f0", "r", 2 * MIB)),
        ("dirty", ("anon", "file_mapped", "file_dirty", "pgfault"), lambda: machine.touch(pid, area["file"], 64 * KIB, "w")),
        ("shared1", ("anon", "shmem", "pgfault"), lambda: map_and_touch("shared", MIB, SHARED, None, "w", MIB)),
        ("free", ("anon", "pgfault", "pglazyfreed"), lambda: machine.madvise(pid, anon, MIB, MADV_FREE)),
        ("cold", ("anon", "pgfault", "pgdeactivate"), lambda: machine.madvise(pid, anon + MIB, MIB, MADV_COLD)),
        ("pageout", ("anon", "swapcached", "pswpout"), lambda: machine.madvise(pid, anon + 2 * MIB, MIB, MADV_PAGEOUT)),
        ("back", ("anon", "swapcached", "pgfault", "pgmajfault", "pswpin"), lambda: machine.touch(pid, anon + 2 * MIB, MIB, "r")),
        ("mlock", ("anon", "unevictable", "pgfault"), lambda: machine.mlock(pid, anon + 4 * MIB, 512 * KIB)),
    )  # fmt: skip
    recorded = course()
    previous, before = "joined", stat(machine)
    wrong = []
    for step, keys, act in steps:
        if step == "pageout":  # the agent's touch writes ones; pages of zeros would not be written
            for page in range(256):
                machine.store(pid, anon + 2 * MIB + page * PAGE, b"\1")
        act()
        after = stat(machine)
        last = {"shared1": "write256"}.get(step, previous)
        for key in keys:
            there = int(recorded[step].get(key, 0)) - int(recorded[last].get(key, 0))
            if after[key] - before[key] != there:
                wrong.append((step, key, after[key] - before[key], there))
        previous, before = step, after
    assert not wrong
    assert machine.fsck() == []


def test_what_a_fork_costs_its_group_is_what_6_18_charges():
    machine, pid = machine_of()
    machine.cgroup_create("g")
    machine.cgroup_move("g", pid)
    child = machine.fork(pid)
    there = {key: int(value) for key, value in course()["fork"].items()}
    assert stat(machine)["kernel_stack"] == there["kernel_stack"] == 16 * KIB
    assert stat(machine)["percpu"] == there["percpu"] == 4 * 4 + 4 * 8
    assert stat(machine)["slab"] == machine.peek("memcg", 1, "obj_bytes") - there["percpu"]
    assert stat(machine)["pagetables"] == machine.mm(child).pgtables_bytes + PAGE  # the top table is in no process's count
    machine.exit(child)
    assert stat(machine)["kernel_stack"] == stat(machine)["percpu"] == stat(machine)["pagetables"] == 0
    assert machine.fsck() == []


def mixed():
    """Three groups, one below another, each with every kind of memory; and a process outside."""
    machine, outside = machine_of(swap=32 * MIB, ram=128 * MIB)
    machine.mkfile("/f", 16 * MIB)
    for name in ("a", "a/b", "c"):
        machine.cgroup_create(name)
        machine.cgroup_set(name, "memory.max", 12 * MIB)
        pid = machine.spawn("p", None, [b"p"], [])
        machine.cgroup_move(name, pid)
        for flags, nr_bytes, access in ((PRIVATE, 12 * MIB, "w"), (SHARED, 2 * MIB, "w")):
            addr = machine.mmap(pid, 0, nr_bytes, RW, flags)
            machine.touch(pid, addr, nr_bytes, access)
        addr = machine.mmap(pid, 0, 4 * MIB, RW, SHARED & 1, path="/f", offset=0)
        machine.touch(pid, addr, 4 * MIB, "r")
        machine.touch(pid, addr, 256 * KIB, "w")
        machine.fork(pid)
        machine.touch(pid, addr, MIB, "r")
    machine.touch(outside, machine.mmap(outside, 0, MIB, RW, PRIVATE), MIB, "w")
    return machine


def invariants(machine, groups):
    """What holds of Linux's figures: the root's with meminfo and vmstat, sums with the parts of each group."""
    root, vmstat, meminfo = stat(machine, "/"), machine.vmstat(), machine.meminfo()
    kb = {"anon": "AnonPages", "shmem": "Shmem", "swapcached": "SwapCached", "file_dirty": "Dirty", "file_writeback": "Writeback",
          "inactive_anon": "Inactive(anon)", "active_anon": "Active(anon)", "inactive_file": "Inactive(file)",
          "active_file": "Active(file)", "unevictable": "Unevictable"}
    for key, label in kb.items():
        assert root[key] == meminfo[label] * KIB, key
    assert root["file"] == (meminfo["Cached"] + meminfo["Buffers"]) * KIB
    assert 0 <= meminfo["Mapped"] * KIB - root["file_mapped"] <= 2 * PAGE  # [vdso]'s pages are nobody's
    for key in ("pgfault", "pgmajfault", "pgactivate", "pgdeactivate", "pglazyfree", "pglazyfreed", "pswpin", "pswpout"):
        assert root[key] == vmstat[key], key
    for key in ("pgscan_direct", "pgsteal_direct", "pgrefill"):
        assert root[key] >= vmstat[key], key  # vmstat leaves out what a group's limit reclaims
    for item in ("scan", "steal"):
        assert root[f"pg{item}"] == vmstat[f"pg{item}_anon"] + vmstat[f"pg{item}_file"]
    for key in STATES + ("kernel", "kernel_stack", "pagetables", "slab", "pgfault", "pgscan"):
        assert root[key] >= sum(stat(machine, name)[key] for name in groups if "/" not in name), key
    for name in groups:
        files, s = machine.cgroup(name), stat(machine, name)
        assert s["slab"] == s["slab_reclaimable"] + s["slab_unreclaimable"]
        assert s["pgscan"] == s["pgscan_kswapd"] + s["pgscan_direct"] + s["pgscan_proactive"]
        assert s["pgsteal"] == s["pgsteal_kswapd"] + s["pgsteal_direct"] + s["pgsteal_proactive"] <= s["pgscan"]
        used = s["anon"] + s["file"] + s["kernel"] + s["swapcached"]
        # anon counts what is mapped, swapcached what may be mapped, too; the CPUs' stock is charged and not used
        assert used - s["swapcached"] - 64 * PAGE <= files["memory.current"] <= used + 64 * PAGE
        assert s["kernel"] >= s["kernel_stack"] + s["pagetables"]


def test_figures_of_groups_add_up_with_the_roots_and_with_meminfo_and_vmstat():
    machine = mixed()
    invariants(machine, ("a", "a/b", "c"))
    assert stat(machine, "/")["pgscan_direct"] > machine.vmstat()["pgscan_direct"] == 0
    assert stat(machine, "a")["pgfault"] > stat(machine, "a/b")["pgfault"] > 3000
    assert machine.fsck() == []


def recorded_course_of_the_root():
    text = (RECORDED / "course.txt").read_text("ascii")
    for root, meminfo, vmstat in re.findall(r"^== root \w+\n([^\n]*)\n(MemTotal[^\n]*)\n([^\n]*)", text, re.MULTILINE):
        yield tuple({key: int(value) for key, value in re.findall(pattern, line)} for pattern, line in (
            (r"(\w+) (\d+)", root), (r"([\w()]+): (\d+) kB", meminfo), (r"(\w+) (\d+)", vmstat)))


def test_the_same_invariants_hold_of_the_recorded_kernel_within_its_batches():
    seen = 0
    for root, meminfo, vmstat in recorded_course_of_the_root():
        for key, label in (("anon", "AnonPages"), ("shmem", "Shmem"), ("file_mapped", "Mapped"), ("active_file", "Active(file)"),
                           ("inactive_anon", "Inactive(anon)")):
            assert abs(root.get(key, 0) - meminfo[label] * KIB) <= 64 * PAGE, key
        assert abs(root["file"] - meminfo["Cached"] * KIB) <= 64 * PAGE
        assert root.get("pglazyfree", 0) == vmstat.get("pglazyfree", 0) and root.get("pswpout", 0) == vmstat.get("pswpout", 0)
        seen += 1
    assert seen == 3


def test_a_parent_keeps_what_a_group_that_is_gone_had_counted():
    """rmdir of g/h, whose pages of a file stay charged; then of g: the record stays as long as one below it."""
    machine, pid = machine_of()
    machine.mkfile("/f", MIB)
    machine.drop_caches(1)
    for name in ("g", "g/h"):
        machine.cgroup_create(name)
    machine.cgroup_move("g/h", pid)
    machine.read(pid, "/f", 0, MIB)
    machine.touch(pid, machine.mmap(pid, 0, MIB, RW, PRIVATE), MIB, "w")
    faults = stat(machine, "g/h")["pgfault"]
    machine.exit(pid)
    machine.cgroup_remove("g/h")
    assert stat(machine)["file"] >= MIB
    assert stat(machine)["pgfault"] == faults >= 256
    machine.drop_caches(3)
    assert stat(machine)["file"] == stat(machine)["slab"] == 0
    assert stat(machine)["pgfault"] == faults
    assert machine.fsck() == []


def test_a_removed_group_stays_below_a_removed_parent():
    machine, pid = machine_of()
    machine.mkfile("/f", MIB)
    machine.drop_caches(1)
    for name in ("g", "g/h"):
        machine.cgroup_create(name)
    machine.cgroup_move("g/h", pid)
    machine.read(pid, "/f", 0, MIB)
    machine.cgroup_move("", pid)
    machine.cgroup_remove("g/h")
    machine.cgroup_remove("g")
    machine.cgroup_create("new")
    assert machine.fsck() == []
    machine.drop_caches(3)
    assert machine.cgroup("new")["memory.current"] == 0
    assert machine.fsck() == []


def test_huge_pages_are_anon_thp_and_file_thp():
    machine, pid = machine_of(ram=1 << 30)
    machine.mkfile("/f", 8 * MIB)
    machine.drop_caches(1)
    machine.cgroup_create("g")
    machine.cgroup_move("g", pid)
    for path, access in ((None, "w"), ("/f", "r")):
        addr = machine.mmap(pid, 0, 8 * MIB, RW, 2 if path else PRIVATE, path=path) if path else machine.mmap(pid, 0, 8 * MIB, RW, PRIVATE)
        machine.madvise(pid, addr, 8 * MIB, 14)
        machine.touch(pid, addr, 8 * MIB, access)
    assert stat(machine)["anon_thp"] == machine.meminfo()["AnonHugePages"] * KIB >= 6 * MIB
    assert stat(machine)["thp_fault_alloc"] == stat(machine)["anon_thp"] // (2 * MIB)
    assert stat(machine)["file_thp"] == machine.meminfo()["FileHugePages"] * KIB >= 6 * MIB
    assert machine.fsck() == []
    machine.truncate("/f", 5 * MIB)
    machine.drop_caches(1)
    assert machine.fsck() == []


def test_no_time_passes_while_a_process_waits():
    """What a kernel that has just booted says of a group (fixtures/cgroup has no waiting in it either)."""
    from vmtool.cli.pressure import content
    from vmtool.procfs.kernel import PRESSURE
    machine, pid, addr = starved(swap_max=32 * MIB)
    machine.touch(pid, addr, 32 * MIB, "w")
    machine.sleep(3000000)
    assert machine.cgroup("g")["memory.stat"]["pgscan_direct"] > 0
    assert content(machine.cgroup("g")["memory.pressure"]) == PRESSURE
    assert content(machine.cgroup("g")["io.pressure"]) == PRESSURE


# --- out of memory in a group ------------------------------------------------------------------------------------------

def report(machine):
    return [line for _, line in machine.kmsg()]


def form(line):
    """A line without its numbers, names of processes included."""
    return re.sub(r"\d+", "N", re.sub(r"  +", " ", line) if line.startswith("[") else line)


def recorded_reports():
    """Two: a group alone, and one with memory.oom.group; without CPU, hardware, trace and registers, which are not simulated."""
    text = (RECORDED / "oom.txt").read_text("ascii")
    for part in text.split("agent invoked oom-killer")[1:]:
        lines = ["agent invoked oom-killer" + part.split("\n")[0]]
        rest = [re.sub(r"^\[ *\d+\.\d+\] ", "", line) for line in part.split("\n")[1:] if re.match(r"^\[ *\d+\.\d+\] ", line)]
        lines += rest[next(n for n, line in enumerate(rest) if line.startswith("memory: usage")):]
        end = next(n for n, line in enumerate(lines) if "Killed process" in line)
        yield [line for n, line in enumerate(lines) if n <= end or " are going to be killed " in line or "Killed process" in line]


def starved(swap_max=None, group=False):
    machine, pid = machine_of()
    machine.cgroup_create("g")
    machine.cgroup_create("g/h")
    machine.cgroup_set("g", "memory.max", 8 * MIB)
    machine.cgroup_set("g", "memory.swap.max", swap_max or 0)
    machine.cgroup_set("g", "memory.oom.group", group)
    if group:
        machine.cgroup_move("g/h", machine.spawn("agent", None, [b"agent"], []))
    machine.cgroup_move("g/h", pid)
    addr = machine.mmap(pid, 0, 32 * MIB, RW, PRIVATE)
    return machine, pid, addr


def touch_to_the_end(machine, pid, addr):
    with pytest.raises(Signal) as caught:
        for page in range(0, 32 * MIB, PAGE):
            machine.store(pid, addr + page, b"\1")
    assert caught.value.signo == 9


@pytest.mark.parametrize("n, more", [(0, {}), (1, {"swap_max": 4 * MIB, "group": True})])
def test_the_report_of_a_group_has_the_lines_of_6_18(n, more):
    machine, pid, addr = starved(**more)
    touch_to_the_end(machine, pid, addr)
    there = list(recorded_reports())[n]
    assert [form(line) for line in report(machine)] == [form(line) for line in there]


def test_what_a_group_is_short_of_is_said_in_its_figures():
    machine, pid, addr = starved()
    touch_to_the_end(machine, pid, addr)
    text = "\n".join(report(machine))
    assert "memory: usage 8192kB, limit 8192kB, failcnt " in text
    limit = re.search(r"^swap: usage 0kB, limit (\d+)kB", next(lines for lines in map("\n".join, recorded_reports())), re.MULTILINE)[1]
    unlimited, other, area = starved()
    unlimited.cgroup_set("g", "memory.swap.max", None)
    unlimited.swapoff()
    touch_to_the_end(unlimited, other, area)
    assert f"swap: usage 0kB, limit {limit}kB, failcnt 0" in report(unlimited)
    figures = dict(lines_of(text))
    assert 8192 * KIB - 64 * PAGE <= figures["anon"] + figures["kernel"] <= 8192 * KIB
    assert f"oom_memcg=/g,task_memcg=/g/h,task=agent,pid={pid},uid=" in text


def test_a_group_that_dies_together_is_counted_as_6_18_counts_it():
    """The victim is told twice and counted twice: by itself, and among the group's."""
    machine, pid, addr = starved(swap_max=4 * MIB, group=True)
    touch_to_the_end(machine, pid, addr)
    for group, counted in (("g", (1, 3, 1)), ("g/h", (0, 3, 0))):
        events = machine.cgroup(group)["memory.events"]
        assert (events["oom"], events["oom_kill"], events["oom_group_kill"]) == counted
    assert machine.vmstat()["oom_kill"] == 3
    assert [task.pid for task in machine.tasks() if task.has_mm] == []


@pytest.mark.parametrize("value, dies", [(0, False), (1, False), (2, True)])
def test_panic_on_oom_2_is_for_groups_too(value, dies):
    machine, pid, addr = starved()
    machine.set_sysctl("vm.panic_on_oom", str(value))
    if not dies:
        touch_to_the_end(machine, pid, addr)
        return
    with pytest.raises(KernelError) as caught:
        machine.touch(pid, addr, 32 * MIB, "w")
    assert caught.value.errno == ENOTRECOVERABLE
    why = "Kernel panic - not syncing: Out of memory: compulsory panic_on_oom is enabled"
    assert why in (RECORDED / "panic.txt").read_text("ascii")
    assert report(machine)[-2:] == [why, f"---[ end {why} ]---"]
    assert [task.pid for task in machine.tasks() if task.has_mm] == [pid]  # nobody was killed
    for call in (lambda: machine.touch(pid, addr, PAGE, "w"), lambda: machine.fork(pid), lambda: machine.spawn("b", None, [b"b"], [])):
        with pytest.raises(KernelError) as caught:
            call()
        assert caught.value.errno == ENOTRECOVERABLE


def test_the_machine_panics_when_it_is_short_and_told_to():
    machine, pid = machine_of(swap=0, ram=96 * MIB)
    machine.set_sysctl("vm.panic_on_oom", "1")
    addr = machine.mmap(pid, 0, 512 * MIB, RW, PRIVATE | 0x4000)
    with pytest.raises(KernelError):
        machine.touch(pid, addr, 512 * MIB, "w")
    assert report(machine)[-1] == "---[ end Kernel panic - not syncing: Out of memory: system-wide panic_on_oom is enabled ]---"


def test_without_a_victim_the_machine_is_deadlocked_and_a_group_is_not():
    machine, pid = machine_of(swap=0, ram=96 * MIB)
    machine.set_oom_score_adj(pid, -1000)
    addr = machine.mmap(pid, 0, 512 * MIB, RW, PRIVATE | 0x4000)
    with pytest.raises(KernelError):
        machine.touch(pid, addr, 512 * MIB, "w")
    panic = "Kernel panic - not syncing: System is deadlocked on memory"
    assert report(machine)[-3:-1] == ["Out of memory and no killable processes...", panic]


def test_the_groups_of_an_older_file_are_counted_when_it_is_opened():
    """Such a file has zeros where the counters are."""
    machine, pid = machine_of()
    machine.cgroup_create("g")
    machine.cgroup_create("g/below")
    machine.cgroup_move("g/below", pid)
    base = machine.mmap(pid, 0, 1 * MIB, RW, PRIVATE)
    machine.touch(pid, base, 1 * MIB, "w")
    wanted = {group: {name: stat(machine, group)[name] for name in STATES} for group in ("g", "g/below")}
    for record, field in itertools.product((1, 2), [*[f"stat[{i}]" for i in range(NR_STATS)], *[f"total[{i}]" for i in range(5)]]):
        machine.poke("memcg", record, field, 0)
    machine.poke("machine", 0, "knows_memcg_stat", 0)
    chunks = {key: bytes(machine.chunk(*key)) for key in machine.dirty()}
    again = core.Machine(lambda pool, chunk: chunks.get((pool, chunk)), machine.header())
    assert {group: {name: stat(again, group)[name] for name in STATES} for group in wanted} == wanted
    assert wanted["g"]["anon"] == 1 * MIB
    assert again.fsck() == []


@pytest.mark.parametrize(("swap_max", "kept"), [(64 * MIB, True), (6 * MIB, False)], ids=["roomy", "more than half"])
def test_a_page_in_use_gives_its_slot_back_when_its_group_has_half_of_its_swap(swap_max, kept):
    """activate_locked of shrink_folio_list() asks mem_cgroup_swap_full(), which looks at the group's limits before swap itself is short."""
    machine, pid = machine_of()
    machine.cgroup_create("g")
    machine.cgroup_move("g", pid)
    addr = machine.mmap(pid, 0, 4 * MIB, RW, PRIVATE)
    for at in range(0, 4 * MIB, PAGE):
        machine.store(pid, addr + at, b"x")
    machine.madvise(pid, addr, 4 * MIB, MADV_PAGEOUT)
    machine.touch(pid, addr, MIB, "r")  # their slots are kept: nothing is short yet
    assert machine.cgroup("g")["memory.swap.current"] == 4 * MIB
    machine.cgroup_set("g", "memory.swap.max", swap_max)
    machine.touch(machine.fork(pid), addr, MIB, "r")  # of two: a page that one alone has read is kept once, not activated
    machine.reclaim(800, "g")  # 768 that only the cache has, and then some that were just read
    assert stat(machine)["pgactivate"] > 0
    assert (machine.cgroup("g")["memory.swap.current"] == 4 * MIB) == kept
    assert machine.fsck() == []
