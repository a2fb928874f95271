"""import of what nobody meant well: whatever the files say, the machine is sound afterwards, and works on, or is to the byte as it was."""

import random
import struct

import pytest

from tests.outside.test_importer import CAT, HEAP, booted, refused, sound, taken
from vmtool.errors import HostError, KernelError, Signal
from vmtool.outside.importer import import_processes, read_processes

STACK = "7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0                          [stack]\n"
U64 = 1 << 64
FLAGS = "rd wr ex sh mr mw me ms gd pf gu lo io sr rr dc de lf ac nr ht sf ar wf dd mm hg nh mg zz".split()
NAMES = ("", "/bin/a", "/bin/b (deleted)", "/dev/zero (deleted)", "/memfd:x (deleted)", "[heap]", "[stack]", "[vdso]", "[vvar]", "[anon:x]",
         "[anon_shmem:y]", "[stack:77]", "/SYSV00000000 (deleted)", "[vectors]")
COUNTS = ("Rss", "Pss", "Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty", "Referenced", "Anonymous", "LazyFree",
          "AnonHugePages", "Swap")


def some_space(rng):
    """Text of maps and of smaps, and the areas' ends."""
    at, maps, smaps, spans = 0x10000, "", "", []
    for _ in range(rng.randrange(1, 14)):
        at += rng.choice((0, 0, 0x1000, 0x7000, 0x200000 - at % 0x200000))
        size = rng.choice((0x1000, 0x3000, 0x10000, 0x200000, 0x600000))
        name = rng.choice(NAMES)
        is_file = name.startswith(("/", "[anon_shmem"))
        perms = rng.choice(("rw-p", "r--p", "r-xp", "---p", "rw-s", "r--s", "rwxp"))
        dev = ("08:01" if name.startswith("/bin") else "00:01") if is_file else "00:00"
        offset = rng.choice((0, 0, 0x1000, 0x200000, U64 - 0x1000 if rng.random() < 0.02 else 0)) if is_file else 0
        line = f"{at:08x}-{at + size:08x} {perms} {offset:08x} {dev} {rng.randrange(5, 8) if is_file else 0} {name}\n"
        maps += line
        smaps += line + "".join(f"{count}: {rng.choice((0, 4, 8, size >> 11, size >> 10, size >> 9))} kB\n"
                                for count in COUNTS if rng.random() < 0.7)
        if rng.random() < 0.7:
            smaps += "VmFlags: " + " ".join(rng.sample(FLAGS, rng.randrange(len(FLAGS)))) + "\n"
        spans.append((at, at + size))
        at += size
    return maps, smaps, spans


def some_entry(rng, frame):
    kind = rng.randrange(8)
    if kind < 2:
        return 0
    if kind == 2:
        return rng.getrandbits(64)
    return 1 << 63 | rng.choice((0, 0, 0, 1 << 61)) | rng.choice((0, 0, 1 << 56)) | frame


def save(directory, rng, spaces):
    """Processes that come from one another, with frames in common."""
    for number, (maps, smaps, spans) in enumerate(spaces):
        place = directory / str(100 + number)
        place.mkdir()
        (place / "maps").write_text(maps)
        (place / "status").write_text(f"PPid:\t{rng.choice((0, 1, 100, 101, 100 + number))}\n")
        if rng.random() < 0.8:
            (place / "smaps").write_text(smaps)
        with open(place / "pagemap", "wb") as f:
            for start, end in spans:
                first = rng.choice((0, 512, 1024, start >> 12))
                entries = [some_entry(rng, first + i if rng.random() < 0.9 else rng.randrange(2048)) for i in range((end - start) >> 12)]
                f.seek(start // 4096 * 8)
                f.write(struct.pack(f"<{len(entries)}Q", *entries)[: None if rng.random() < 0.95 else 100])


def exercise(machine, rng, pids):
    """Whatever a process may do next."""
    for pid in list(pids):
        pids.append(machine.fork(pid))
    for pid in pids:
        for area in machine.maps(pid):
            if area.start >= 1 << 47:
                continue
            try:
                machine.touch(pid, area.start, area.end - area.start, rng.choice("rwx"), True)
                what = rng.randrange(4)
                if what == 0:
                    machine.mprotect(pid, area.start, 0x1000, 3)
                elif what == 1:
                    machine.munmap(pid, area.start, 0x1000)
                elif what == 2:
                    machine.madvise(pid, area.start, area.end - area.start, 4)
            except (Signal, KernelError):
                pass


@pytest.mark.parametrize("seed", range(40))
def test_random_families_leave_a_sound_machine(tmp_path, seed):
    rng = random.Random(seed)
    space = some_space(rng)
    save(tmp_path, rng, [space if rng.random() < 0.7 else some_space(rng) for _ in range(4)])
    machine = booted(1 << 28)
    machine.set_sysctl("transparent_hugepage/enabled", rng.choice(("always", "madvise")))
    point = machine.savepoint()
    try:
        pids = import_processes(machine, read_processes([str(tmp_path)], False))
    except HostError as failure:
        assert "\n" not in str(failure)
        after = machine.savepoint()
        assert (point[0], point[1]) == (after[0], after[1])
        return
    sound(machine)
    exercise(machine, rng, pids)
    sound(machine)
    for pid in pids:
        machine.exit(pid)
    sound(machine)
    assert machine.meminfo()["AnonPages"] == 0


@pytest.mark.parametrize("value", [0, 1, 0x1000, 0x610800, 0x7FFFFFFFE000, 1 << 47, 0xFFFF888000000000, U64 - 1, U64, 10**30,
                                   "--5", "\u00b2", ""])
def test_marks_beyond_all_sense_are_not_taken(tmp_path, value):
    fields = ["77", "(x)", "S"] + [str(value)] * 49
    files = {"maps": CAT + HEAP + STACK, "stat": " ".join(fields) + "\n", "cmdline": "cat\0" * 2000,
             "status": f"PPid:\t{value}\nThreads:\t{value}\n",
             "limits": f"Max stack size            {value}              unlimited            bytes     \n", "oom_score_adj": f"{value}\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    machine, (pid,) = taken(tmp_path)
    machine.cmdline(pid)
    machine.environ(pid)
    try:
        machine.brk(pid, machine.brk(pid) + 0x1000)
        machine.push(pid, 64)
    except (KernelError, Signal):
        pass
    sound(machine)


def test_a_process_with_very_many_areas(tmp_path):
    path = tmp_path / "many.maps"
    path.write_text("".join(f"{0x10000000 + i * 0x2000:08x}-{0x10001000 + i * 0x2000:08x} rw-p 00000000 00:00 0 \n" for i in range(70000)))
    machine, (pid,) = taken(path)  # more than vm.max_map_count: another kernel had granted it
    assert machine.mm(pid).map_count == 70000


def test_more_than_any_machine_is_one_line(tmp_path):
    path = tmp_path / "vast.smaps"
    path.write_text("10000000-500010000000 rw-p 00000000 00:00 0 \nRss: 90000000000 kB\nAnonymous: 90000000000 kB\n")
    assert "more than" in refused(path)
    path.write_text("".join(f"{i}00000000000-{i}c0000000000 rw-p 00000000 00:00 0 \nRss: 900000000 kB\n" for i in range(1, 7)))
    assert "more than" in refused(path)


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "x" * 200])
def test_a_name_of_any_bytes_stays_in_one_line(tmp_path, name):
    (tmp_path / name).write_text("no maps\n")
    assert "line 1 is no line of maps" in refused(tmp_path / name)
    assert "\x1b" not in refused(tmp_path / name)
