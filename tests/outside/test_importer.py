"""import: saved processes come in as they were, or not at all."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from vmtool._core import Machine
from vmtool.errors import HostError
from vmtool.outside import proc_source
from vmtool.outside.importer import import_processes, prepare_machine, read_processes
from vmtool.procfs import pid_maps, pid_smaps

FIXTURES = Path(__file__).parents[2] / "fixtures" / "import"
SAVED = sorted(FIXTURES.glob("*.maps"))
CAT = "00400000-0040c000 r-xp 00000000 fd:01 135200                             /usr/bin/cat\n"
HEAP = "00610000-00631000 rw-p 00000000 00:00 0                                  [heap]\n"


def booted(ram=1 << 30):
    machine = Machine()
    machine.boot(ram_bytes=ram)
    return machine


def taken(*words, machine=None, tree=False):
    """(machine, PIDs)."""
    processes = read_processes([str(word) for word in words], tree)
    if machine is None:
        machine = Machine()
        prepare_machine(machine, processes, None)
    pids = import_processes(machine, processes)
    sound(machine)
    return machine, pids


def sound(machine):
    assert not machine.fsck()


def refused(*words, machine=None):
    """The one line, and nothing is left."""
    machine = machine or booted()
    before = image(machine)
    with pytest.raises(HostError) as failure:
        import_processes(machine, read_processes([str(word) for word in words], False))
    assert "\n" not in str(failure.value)
    assert image(machine) == before
    return str(failure.value)


def image(machine):
    return machine.header(), {key: bytes(machine.chunk(*key)) for key in machine.dirty()}


def maps_of(machine, pid):
    return pid_maps.render(machine.maps(pid), machine.word_bytes(pid))


def sizes_of(machine, pid):
    return sizes_in(pid_smaps.render(machine.smaps(pid)))


def sizes_in(text):
    """By start address: name of the line of smaps -> kB."""
    found, start = {}, 0
    for line in text.splitlines():
        head, _, value = line.partition(":")
        if "-" in head.split(" ")[0]:
            start = int(head.split("-")[0], 16)
            found[start] = {}
        elif value.endswith(" kB"):
            found[start][head] = int(value.split()[0])
    return found


# --- printed back -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
def test_areas_are_printed_back_byte_for_byte(path):
    machine, (pid,) = taken(path)
    assert maps_of(machine, pid) == path.read_text()
    machine.exit(pid)
    sound(machine)
    assert machine.meminfo()["Committed_AS"] == 0


@pytest.mark.parametrize("lines", [
    "ffffffffff600000-ffffffffffe00000 ---p 00000000 00:00 0                  [vsyscall]\n",
    "ffffffffff600000-ffffffffffe00000 ---p 00000000 00:00 0                  [vdso]\n",
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n",
    "7ffff7fc0000-7ffff7fc1000 rw-s 00000000 00:01 1024                       [anon_shmem:frame buffer]\n",
    "7ffff7fc0000-7ffff7fc1000 rw-p 00000000 00:00 0                          [anon:dalvik-[odd] name]\n",
    "7ffff7fc0000-7ffff7fc1000 r-xp 00000000 00:00 0                          [uprobes]\n",
    "7ffff7fc0000-7ffff7fc1000 rw-s 00000000 00:01 1024                       /dev/zero (deleted)\n",
    "7ffff7fc0000-7ffff7fc1000 rw-s 00000000 00:05 9                          /dev/a\\012b\n",
    "7ffff7fc0000-7ffff7fc1000 rw-p 00000000 00:00 0                          [stack]\n"
    "7ffff7fd0000-7ffff7fd1000 rw-p 00000000 00:00 0                          [stack]\n",
    "00640000-00641000 rw-p 00000000 00:00 0 \n00650000-00651000 rw-p 00000000 00:00 0                                  [heap]\n",
])
def test_what_other_kernels_name_keeps_its_name(tmp_path, lines):
    text = CAT + HEAP + lines
    (tmp_path / "maps").write_text(text)
    machine, (pid,) = taken(tmp_path)
    assert maps_of(machine, pid) == text
    child = machine.fork(pid)
    assert maps_of(machine, child) == text
    sound(machine)


def test_without_a_heap_the_break_follows_the_program():
    machine, (pid,) = taken(FIXTURES / "no-heap-go.maps")
    assert machine.brk(pid) == 0x558000
    assert machine.brk(pid, 0x559000) == 0x559000
    assert "00558000-00559000 rw-p 00000000 00:00 0                                  [heap]\n" in maps_of(machine, pid)


# --- pages ------------------------------------------------------------------------------------------------------------

def test_every_area_of_a_file_has_its_pages():
    machine, (pid,) = taken(FIXTURES / "file-areas")
    wanted = sizes_in((FIXTURES / "file-areas" / "smaps").read_text())
    assert [area["Rss"] for area in wanted.values()] == [208, 800, 276, 268, 4]
    got = sizes_of(machine, pid)
    for name in ("Rss", "Anonymous", "Referenced", "Swap"):
        assert [area[name] for area in got.values()] == [area[name] for area in wanted.values()]
    dirty = [[area["Private_Dirty"] + area["Shared_Dirty"] for area in areas.values()] for areas in (got, wanted)]
    assert dirty[0] == dirty[1]  # shared there with processes that did not come along
    for area in machine.maps(pid):
        if area.is_file:
            machine.touch(pid, area.start, area.end - area.start, "r")  # no SIGBUS


def test_smaps_alone_gives_areas_and_pages():
    machine, (pid,) = taken(FIXTURES / "smaps-alone.smaps")
    got = sizes_of(machine, pid)
    assert [(area["Rss"], area["Anonymous"], area["Private_Dirty"]) for area in got.values()] == [(1204, 0, 0), (4, 4, 4), (20, 20, 20)]


MIXED = [
    ("00400000-00410000 r-xp 00000000 08:01 7    /bin/a", "rd ex mr mw me",
     {"Rss": 64, "Private_Dirty": 8, "Private_Clean": 56, "Referenced": 60, "Anonymous": 0}),
    ("00610000-00618000 rw-p 00010000 08:01 7    /bin/a", "rd wr mr mw me ac",
     {"Rss": 24, "Private_Dirty": 12, "Private_Clean": 12, "Referenced": 24, "Anonymous": 8}),
    ("00700000-00780000 rw-s 00000000 00:01 9    /dev/zero (deleted)", "rd wr sh mr mw me ms",
     {"Rss": 100, "Private_Dirty": 40, "Private_Clean": 60, "Referenced": 8, "Anonymous": 0}),
    ("10000000-10700000 rw-p 00000000 00:00 0 ", "rd wr mr mw me ac hg",
     {"Rss": 4200, "Private_Dirty": 4184, "Private_Clean": 16, "Referenced": 4188, "Anonymous": 4200, "LazyFree": 8,
      "AnonHugePages": 4096}),
    ("7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0 [stack]", "rd wr mr mw me gd ac",
     {"Rss": 16, "Private_Dirty": 16, "Private_Clean": 0, "Referenced": 16, "Anonymous": 16}),
]


def test_smaps_of_mixed_areas_is_dealt_out_to_the_kB(tmp_path):
    """File pages that are dirty, shared memory written in part, lazily freed pages, huge pages, old pages."""
    text = ""
    for line, flags, counts in MIXED:
        text += line + "\n" + "".join(f"{name}: {kb} kB\n" for name, kb in counts.items()) + f"VmFlags: {flags}\n"
    (tmp_path / "smaps").write_text(text)
    machine, (pid,) = taken(tmp_path)
    got = list(sizes_of(machine, pid).values())
    for area, (_, _, counts) in zip(got, MIXED, strict=True):
        assert {name: area[name] for name in counts} == counts
    top = machine.pagemap(pid, 0x7FFFFFFFB000, 0x4000)
    assert all(page.entry >> 63 for page in top)  # a stack's pages are its highest


def test_files_that_two_processes_map_are_one(tmp_path):
    for name in ("10", "11"):
        (tmp_path / name).mkdir()
        text = CAT + "Rss: 48 kB\nPrivate_Clean: 48 kB\n" + HEAP + "Rss: 8 kB\nAnonymous: 8 kB\nPrivate_Dirty: 8 kB\n"
        (tmp_path / name / "smaps").write_text(text)
    machine, pids = taken(tmp_path)
    assert len(pids) == 2
    for pid in pids:
        assert (sizes_of(machine, pid)[0x400000]["Shared_Clean"], sizes_of(machine, pid)[0x610000]["Private_Dirty"]) == (48, 8)


def test_what_the_kernel_granted_is_not_judged_again():
    machine = booted()
    machine.set_sysctl("vm.overcommit_memory", "2")
    taken(FIXTURES / "asan-shadow.maps", machine=machine)


def test_too_little_memory_names_how_much_would_do(tmp_path):
    path = tmp_path / "big.smaps"
    path.write_text("10000000-90000000 rw-p 00000000 00:00 0 \nRss: 2097152 kB\nAnonymous: 2097152 kB\n")
    text = refused(path)
    assert text.startswith(f"{path}: 2097152 kB are resident, more than this machine of 1G has free: --ram ")
    size = int(text.split("--ram ")[1].split("M")[0]) << 20
    assert 2048 << 20 < size < 2400 << 20
    taken(path, machine=booted(size))


# --- what the task was ------------------------------------------------------------------------------------------------

def test_the_task_comes_along(tmp_path):
    stack = "7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0                          [stack]\n"
    files = {
        "maps": CAT + HEAP + stack, "comm": "worker\n", "cmdline": b"/usr/bin/cat\0-n\0a b\0", "oom_score_adj": "-500\n",
        "status": "Name:\tworker\nPPid:\t1\nVmPeak:\t   40000 kB\nVmHWM:\t   30000 kB\nThreads:\t7\n",
        "stat": "77 (worker) S 1 77 77 0 -1 4194304 120 0 3 0 0 0 0 0 20 0 7 0 100 0 0 18446744073709551615 4194304 4200000"
                " 140737488350000 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 6356992 6360000 6356992 140737488350500"
                " 140737488350520 140737488350520 140737488350600 0\n",
        "limits": "Limit                     Soft Limit           Hard Limit           Units     \n"
                  "Max stack size            8388608              unlimited            bytes     \n"
                  "Max open files            1024                 524288               files     \n",
    }
    for name, text in files.items():
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    machine, (pid,) = taken(tmp_path)
    task, mm, limits = machine.task(pid), machine.mm(pid), machine.getrlimits(pid)
    assert (task.comm, task.min_flt, task.maj_flt, task.nr_threads, task.oom_score_adj) == ("worker", 120, 3, 7, -500)
    assert (limits[3], limits[7]) == ((8388608, None), (1024, 524288))
    assert machine.cmdline(pid) == b"/usr/bin/cat\0-n\0a b\0"
    assert (mm.start_brk, mm.brk, mm.start_stack, mm.exe) == (6356992, 0x631000, 140737488350000, "/usr/bin/cat")
    assert (mm.hiwater_vm, mm.hiwater_rss) == (10000, 7500)


def test_without_stat_the_command_line_lies_where_exec_puts_it(tmp_path):
    (tmp_path / "maps").write_text(CAT + "7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0 [stack]\n")
    (tmp_path / "cmdline").write_bytes(b"cat\0-n\0")
    machine, (pid,) = taken(tmp_path)
    assert machine.cmdline(pid) == b"cat\0-n\0"


# --- hostile sources --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text, says", [
    ("", "maps is empty"),
    ("hello\n", "line 1 is no line of maps: hello"),
    (CAT + "00400000-00401000 r-xp 00000000 00:00 0\n", "line 2: areas must be whole pages in ascending order"),
    ("00401000-00400000 r-xp 00000000 00:00 0\n", "line 1: areas must be"),
    ("00400001-00401000 r-xp 00000000 00:00 0\n", "line 1: areas must be"),
    ("Rss: 4 kB\n" + CAT, "line 1 is no line of maps"),
    ("55d000-7ffc000 ---p 00000000 00:00 0 [rollup]\nRss: 5 kB\n", "smaps_rollup"),
    ("8000000000000-8000000001000 rw-p 00000000 00:00 0\n", "is beyond a user's addresses"),
    (CAT + "7ffff7fc0000-7ffff7fc1000 rw-p 00000000 00:00 0 [anon:" + "x" * 300 + "]\n", "an area's name of 300 bytes"),
    ("00400000-00401000 r-xp 00000000 08:01 5 /" + "x" * 5000 + "\n", "a path of 1 to 4095 bytes"),
    ("00400000-00401000 r-xp 00000000 08:01 99999999999999999999 /a\n", "line 1 is no line of maps"),
    ("00400000-00401000 r-xp 00000123 08:01 5 /a\n", "line 1 is no line of maps"),
    ("\0\0\0\0", "line 1 is no line of maps"),
])
def test_what_is_no_process_is_one_line_and_leaves_nothing(tmp_path, text, says):
    path = tmp_path / "a.maps"
    path.write_text(text)
    assert says in refused(path)


@pytest.mark.parametrize("counts", [
    "Rss: 999999999999 kB\nAnonymous: 999999999999 kB\n", "Rss: 4 kB\nAnonymous: 8 kB\nPrivate_Dirty: 400 kB\n", "Rss: -4 kB\n",
    "Rss: 48 kB\nAnonHugePages: 4096 kB\nLazyFree: 99999 kB\nReferenced: 1 kB\n", "Rss: x kB\nVmFlags: zz zz ht io pf mm\n",
    "Rss: 10000000000000000000 kB\n", "Rss: 48 kB\nAnonymous: 48 kB\nVmFlags: rd sh ms lo\n",
    "VmFlags: rd wr ex sh mr mw me ms gd pf gu lo io sr rr dc de lf ac nr ht sf ar wf dd mm hg nh mg\n",
])
def test_counts_beyond_an_area_are_cut_to_it(tmp_path, counts):
    path = tmp_path / "a.smaps"
    path.write_text(CAT + counts + HEAP + counts)
    machine, (pid,) = taken(path)
    child = machine.fork(pid)
    sound(machine)
    for each in (child, pid):
        machine.exit(each)
        sound(machine)
    assert machine.meminfo()["Committed_AS"] == 0


@pytest.mark.parametrize("name", ["maps", "smaps", "stat", "cmdline", "pagemap"])
@pytest.mark.parametrize("kind", ["fifo", "device", "directory"])
def test_a_file_that_is_none_is_one_line_not_a_hang(tmp_path, name, kind):
    (tmp_path / "maps").write_text(CAT)
    (tmp_path / name).unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(tmp_path / name)
    elif kind == "device":
        (tmp_path / name).symlink_to("/dev/zero")
    else:
        (tmp_path / name).mkdir()
    assert f"{tmp_path}/{name}" in refused(tmp_path)


def test_a_fifo_or_device_as_the_source(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refused(tmp_path / "pipe")
    assert "not a regular file" in refused("/dev/zero")
    assert "ENOENT" in refused(tmp_path / "nowhere")
    assert "ESRCH" in refused("999999999")
    assert "neither maps nor smaps" in refused(FIXTURES.parent)


def test_a_source_named_twice_is_refused():
    assert "named twice" in refused(SAVED[0], SAVED[0])


def test_when_the_last_of_several_fails_none_is_left(tmp_path):
    bad = tmp_path / "bad.maps"
    bad.write_text("8000000000000-8000000001000 rw-p 00000000 00:00 0\n")
    machine = booted()
    machine.spawn("init", None, [b"init"], [])
    refused(FIXTURES / "file-areas", FIXTURES / "smaps-alone.smaps", bad, machine=machine)
    sound(machine)
    assert [task.comm for task in machine.tasks()] == ["init"]


# --- archives ---------------------------------------------------------------------------------------------------------

def tar_of(path, members, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if isinstance(data, bytes):
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
            else:
                info.type, info.linkname = data
                archive.addfile(info)
    return path


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("prefix", ["", "./", "42/", "saved/proc/42/"])
def test_a_tar_of_a_saved_directory(tmp_path, mode, prefix):
    members = [(prefix + "cwd", (tarfile.SYMTYPE, "/")), (prefix + "task/43/maps", b"nonsense"), (prefix + "fd", (tarfile.DIRTYPE, "")),
               (prefix + "maps", (CAT + HEAP).encode()), (prefix + "comm", b"saved\n"), (prefix + "exe", (tarfile.SYMTYPE, "/usr/bin/cat"))]
    machine, (pid,) = taken(tar_of(tmp_path / "saved.tar", members, mode))
    assert maps_of(machine, pid) == CAT + HEAP
    assert (machine.task(pid).comm, machine.mm(pid).exe) == ("saved", "/usr/bin/cat")


def test_a_tar_of_several(tmp_path):
    machine, pids = taken(tar_of(tmp_path / "two.tar", [("7/maps", CAT.encode()), ("8/maps", HEAP.encode()), ("8/status", b"PPid:\t7\n")]))
    assert [maps_of(machine, pid) for pid in pids] == [CAT, HEAP]
    assert machine.task(pids[1]).ppid == pids[0]


@pytest.mark.parametrize("member", [("maps", (tarfile.SYMTYPE, "/etc/passwd")), ("maps", (tarfile.LNKTYPE, "x")),
                                    ("smaps", (tarfile.FIFOTYPE, "")), ("stat", (tarfile.CHRTYPE, ""))])
def test_links_and_devices_in_a_tar_are_not_followed(tmp_path, member):
    assert "is no regular file" in refused(tar_of(tmp_path / "a.tar", [member, ("comm", b"x")]))


def test_hostile_archives(tmp_path, monkeypatch):
    whole = tar_of(tmp_path / "a.tar", [("maps", CAT.encode() * 1)]).read_bytes()
    path = tmp_path / "b.tar"
    for cut in (513, 520, 600):
        path.write_bytes(whole[:cut])
        refused(path)
    info = tarfile.TarInfo("maps")
    info.size = 1 << 60
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"x" * 2048)
    assert f"says that it has {1 << 60} bytes" in refused(path)
    assert "without maps or smaps" in refused(tar_of(path, [("other", b"x")]))
    monkeypatch.setattr(proc_source, "MOST_UNPACKED", 1 << 20)
    assert "unpacks to more" in refused(tar_of(path, [("filler", bytes(1 << 22)), ("maps", CAT.encode())], "w:gz"))
    packed = path.read_bytes()
    path.write_bytes(packed[: len(packed) // 2])
    refused(path)
    path.write_bytes(b"\x1f\x8b" + b"\xff" * 40)
    refused(path)


@pytest.mark.parametrize("text, brk", [
    ("f7f25000-f7f28000 r-xp 00000000 00:00 0                                  [vdso]\n", 0x56555000),
    ("7ffff7fc4000-7ffff7fc6000 r-xp 00000000 00:00 0                          [vdso]\n", 0x555555555000),
    ("555555554000-555555557000 rw-p 00000000 00:00 0 \n555555557000-555555558000 r--p 00000000 00:00 0 \n", 0x555555558000)])
def test_the_break_of_areas_without_a_program_is_not_0(tmp_path, text, brk):
    (tmp_path / "maps").write_text(text)
    machine, (pid,) = taken(tmp_path / "maps")
    assert machine.brk(pid) == brk and machine.brk(pid, brk + 0x1000) == brk + 0x1000
    assert machine.fsck() == []
