"""Each command asks the machine for what its words say, and prints what the machine gave."""

import json

import pytest

RW, PRIVATE, ANONYMOUS = 3, 2, 0x20


@pytest.fixture
def machine(vmtool, state, monkeypatch):
    """A machine with process 1 that lives across the commands of a test, so that its `calls` can be read."""
    from .fake import FakeMachine, FakeSession
    one = FakeMachine()

    def renew(self):
        self.machine = one
    monkeypatch.setattr(FakeSession, "renew", renew)
    vmtool("spawn render")
    one.calls.clear()
    return one


@pytest.mark.parametrize("line, call", [
    ("mmap 1 64K", ("mmap", 1, 0, 65536, RW, PRIVATE | ANONYMOUS, None, 0)),
    ("mmap 1 4K --prot none --addr 0x10090000 --fixed", ("mmap", 1, 0x10090000, 4096, 0, PRIVATE | ANONYMOUS | 0x10, None, 0)),
    ("mmap 1 4K --shared --populate --fixed-noreplace --addr 1000",
     ("mmap", 1, 0x1000, 4096, RW, 1 | ANONYMOUS | 0x8000 | 0x100000, None, 0)),
    ("mmap 1 4K --noreserve --growsdown --stack --locked", ("mmap", 1, 0, 4096, RW, PRIVATE | ANONYMOUS | 0x26100, None, 0)),
    ("mmap 1 2M --hugetlb 2M", ("mmap", 1, 0, 1 << 21, RW, PRIVATE | ANONYMOUS | 0x40000 | 21 << 26, None, 0)),
    ("mmap 1 1G --hugetlb 1G", ("mmap", 1, 0, 1 << 30, RW, PRIVATE | ANONYMOUS | 0x40000 | 30 << 26, None, 0)),
    ("munmap 1 1000 0xffffffffffffffff", ("munmap", 1, 0x1000, (1 << 64) - 1)),
    ("mprotect 1 1000 4K rx", ("mprotect", 1, 0x1000, 4096, 5)),
    ("mremap 1 1000 4K 8K", ("mremap", 1, 0x1000, 4096, 8192, 0, 0)),
    ("mremap 1 1000 4K 8K --maymove --fixed 0", ("mremap", 1, 0x1000, 4096, 8192, 3, 0)),
    ("mremap 1 1000 4K 4K --maymove --dontunmap", ("mremap", 1, 0x1000, 4096, 4096, 5, 0)),
    ("madvise 1 1000 4K dontneed", ("madvise", 1, 0x1000, 4096, 4)),
    ("mlock 1 1000 4K", ("mlock", 1, 0x1000, 4096, False)),
    ("mlock 1 1000 4K --onfault", ("mlock", 1, 0x1000, 4096, True)),
    ("munlock 1 1000 4K", ("munlock", 1, 0x1000, 4096)),
    ("mlockall 1 --current --future", ("mlockall", 1, 3)),
    ("mlockall 1 --onfault", ("mlockall", 1, 4)),
    ("munlockall 1", ("munlockall", 1)),
    ("mseal 1 1000 4K", ("mseal", 1, 0x1000, 4096)),
    ("pkey-alloc 1", ("pkey_alloc", 1, 0, 0)),
    ("pkey-alloc 1 --disable-access --disable-write", ("pkey_alloc", 1, 0, 3)),
    ("pkey-free 1 5", ("pkey_free", 1, 5)),
    ("pkey-mprotect 1 1000 4K rw -1", ("pkey_mprotect", 1, 0x1000, 4096, 3, -1)),
    ("pkru 1", ("pkru", 1, None)),
    ("pkru 1 0x55555550", ("pkru", 1, 0x55555550)),
    ("translate 1 1000 -w --supervisor --ac", ("translate_supervisor", 1, 0x1000, "w", True)),
    ("msync 1 1000 4K", ("msync", 1, 0x1000, 4096, 4)),
    ("msync 1 1000 4K --async --invalidate", ("msync", 1, 0x1000, 4096, 3)),
    ("touch 1 heap", ("touch", 1, 0x555555559000, 1, "w", False)),
    ("touch 1 heap+4K 0x2000 -r --probe", ("touch", 1, 0x55555555A000, 8192, "r", True)),
    ("touch 1 brk+-1", None),
    ("touch 1 libfake.so.6+0x10 -x --probe", ("touch", 1, 0x400010, 1, "x", True)),
    ("touch 1 stack -r --probe", ("touch", 1, 0x7FFFFFFDE000, 1, "r", True)),
    ("kill 1 -9", ("kill", 1, 9)),
    ("switch 1 --cpu 1", ("switch", 1, 1)),
    ("setrlimit 1 stack 64K", ("setrlimit", 1, 3, 65536)),
    ("setrlimit 1 as unlimited", ("setrlimit", 1, 9, None)),
    ("oom-score-adj 1 -500", ("set_oom_score_adj", 1, -500)), ("clear-refs 1 4", ("clear_refs", 1, 4)),
    ("mkfile f 4K --dev 8:2 --inode 9", ("mkfile", "/f", 4096, None, (8, 2), 9, False)),
    ("mkfile /tmp/f 4K --tmpfs", ("mkfile", "/tmp/f", 4096, None, None, 0, True)),
    ("thp-disable 1 yes", ("set_thp_disable", 1, True, 0)),
    ("thp-disable 1 no", ("set_thp_disable", 1, False, 0)),
    ("thp-disable 1 except-advised", ("set_thp_disable", 1, True, 2)),
    ("truncate f 8K", ("truncate", "/f", 8192)),
    ("rename f g", ("rename", "/f", "/g")),
    ("rmfile f", ("rmfile", "/f")),
    ("fallocate f 4K 8K --punch-hole", ("punch_hole", "/f", 4096, 8192)),
    ("fail-io f", ("fail_io", "/f", False, 1)),
    ("fail-io f --write --times 3", ("fail_io", "/f", True, 3)),
    ("drop-caches", ("drop_caches", 3)),
    ("drop-caches 1", ("drop_caches", 1)),
    ("sync", ("sync",)),
    ("explain on", ("set_trace", True)),
    ("explain off", ("set_trace", False)),
])
def test_a_line_becomes_a_call(vmtool, machine, line, call):
    vmtool(line)
    assert [(name, *args) for name, args, _ in machine.calls if name != "check"] == ([call] if call else [])


@pytest.mark.parametrize("line, out", [
    ("mmap 1 64K", "0x7ffff7fef000\n"),
    ("mmap 1 64K --json", '{"address": "0x7ffff7fef000"}\n'),
    ("spawn", "2\n"), ("spawn --json", '{"pid": 2}\n'), ("fork 1", "2\n"),
    ("brk 1", "0x55555557a000\n"), ("brk 1 --by -4K", "0x555555579000\n"), ("brk 1 heap+0x1000", "0x55555555a000\n"),
    ("mincore 1 heap 12K", "101\n"), ("mincore 1 heap 12K --json", '{"is_resident": [true, false, true]}\n'),
    ("touch 1 heap 8K", "minor=2 major=0\n"), ("touch 1 heap --json", '{"nr_minor_faults": 1, "nr_major_faults": 0}\n'),
    ("translate 1 heap+0x10", "0x559010\n"), ("translate 1 heap --json", '{"physical_address": "0x559000"}\n'),
    ("push 1 64K", "0x7fffffFCE000\n".lower()), ("push 1 64K --json", '{"address": "0x7ffffffce000"}\n'),
    ("load 1 heap 2 --hex", "0000\n"), ("load 1 heap 2 --raw", "\0\0"),
    ("load 1 heap 2 --json", '{"address": "0x555555559000", "length_bytes": 2, "hex": "0000"}\n'),
    ("store 1 heap hi", ""), ("kill 1", ""), ("sync", ""),
    ("sysctl vm.swappiness", "vm.swappiness = 60\n"), ("sysctl -n vm.swappiness=10", "10\n"),
    ("sysctl --json vm.swappiness", '{"vm.swappiness": 60}\n'),
    # as procps: what can only be written is told as it was written, and passed over where it is asked for
    ("sysctl vm.drop_caches=1 vm.swappiness", "vm.drop_caches = 1\nvm.swappiness = 60\n"), ("sysctl vm.drop_caches", ""),
    ("sysctl", "queue/read_ahead_kb = 128\nvm.overcommit_memory = 0\nvm.swappiness = 60\n"),
    ("fsck", ""), ("fsck --json", "[]\n"),
    ("cat /proc/1/comm", "render\n"), ("cat /proc/1/oom_score_adj", "0\n"), ("cat /proc/sys/vm/swappiness", "60\n"),
    ("cat /proc/1/comm --json", '{"path": "/proc/1/comm", "text": "render\\n"}\n'),
])
def test_a_line_prints(vmtool, machine, line, out):
    assert vmtool(line) == (0, out, "")


@pytest.mark.parametrize("line, status, err", [
    ("mmap 9 4K", 1, "vmtool: mmap: ESRCH (No such process)\n"),
    ("mmap 1 4K --file nowhere", 1, "vmtool: mmap: ENOENT (No such file or directory): /nowhere\n"),
    ("read 1 nowhere 0x8000000000000000 1", 1, "vmtool: read: EINVAL (Invalid argument)\n"),
    ("touch 1 libnone.so+4", 2, "vmtool: touch: process 1 maps nothing named 'libnone.so'\n"),
    ("touch 9 heap", 1, "vmtool: touch: ESRCH (No such process)\n"),
    ("brk 1 0x1000 --by 4K", 2, "vmtool: brk: ADDR and --by exclude each other\n"),
    ("store 1 heap", 2, "vmtool: store: either TEXT or --hex is needed\n"),
    ("store 1 heap x --hex 00", 2, "vmtool: store: TEXT and --hex exclude each other\n"),
    ("fallocate f 0 4K", 2, "vmtool: fallocate: --punch-hole is needed: it is the only mode there is\n"),
    ("sysctl vm.nothing", 1, "vmtool: sysctl: ENOENT (No such file or directory): vm.nothing\n"),
    ("sysctl -w vm.swappiness", 2, "vmtool: sysctl: 'vm.swappiness' is not NAME=VALUE\n"),
    ("cat /proc/9/maps", 1, "vmtool: cat: ENOENT (No such file or directory): /proc/9/maps\n"),
    ("cat /proc/nothing", 1, "vmtool: cat: ENOENT (No such file or directory): /proc/nothing\n"),
    ("cat /proc", 1, "vmtool: cat: EISDIR (Is a directory): /proc\n"),
    ("cat /proc/1", 1, "vmtool: cat: EISDIR (Is a directory): /proc/1\n"),
    ("tlb --cpu 7", 1, "vmtool: tlb: EINVAL (Invalid argument): there is no processor 7\n"),
    ("init", 1, "vmtool: init: machine.vmt: is there already (--force replaces it)\n"),
])
def test_a_line_fails(vmtool, machine, line, status, err):
    assert vmtool(line) == (status, "", err)


def test_what_broke_is_printed_and_fsck_exits_1(vmtool, machine, monkeypatch):
    monkeypatch.setattr(machine, "fsck", lambda: ["frame 7: free and mapped"], raising=False)
    assert vmtool("fsck") == (1, "frame 7: free and mapped\n", "")
    assert vmtool("fsck --json").status == 1


def test_stored_bytes_are_loaded(vmtool):
    vmtool("spawn")
    vmtool("store", "1", "heap", "h\xe9 x")
    assert vmtool("load 1 heap 5 --raw").out == "h\xe9 x"
    vmtool("store 1 heap --hex 00ff")
    assert vmtool("load 1 heap 3 --hex").out == "00ffa9\n"


def test_files_are_read_and_written(vmtool, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"scene")
    vmtool("spawn")
    assert vmtool(f"mkfile f 8 --from {source}").status == 0
    assert vmtool("read 1 f 0 512").out == "8\n"
    assert vmtool("read 1 f 0 6 --hex").out == "7363656e6500\n"
    assert vmtool("write 1 f 1 xx").out == "2\n"
    assert vmtool("read 1 f 0 5 --raw").out == "sxxne"
    assert json.loads(vmtool("read 1 f 0 2 --hex --json").out) == {"length_bytes": 2, "hex": "7378"}


def test_init_boots_what_it_is_told(vmtool, state):
    assert vmtool("init --ram 256M --cpus 2 --swap 64M --pcid --aslr 7").status == 0
    assert state.saved["booted"] == {
        "ram_bytes": 256 << 20, "arch": "x86-64", "kernel": "6.18", "nr_cpus": 2, "swap_bytes": 64 << 20, "tlb": "", "pcid": True,
        "kpti": False, "pku": False, "soft_dirty": False, "sysroot": "", "aslr_seed": 7}


def test_spawn_boots_the_default_machine_when_there_is_none(vmtool, state):
    assert vmtool("spawn").out == "1\n"
    assert state.saved["booted"] == {"ram_bytes": 1 << 30}


@pytest.mark.parametrize("line", ["ps", "mmap 1 4K", "fsck", "mkfile f 4K", "sysctl"])
def test_other_commands_say_that_there_is_none(vmtool, line):
    assert vmtool(line) == (1, "", f"vmtool: {line.split()[0]}: machine.vmt: there is no machine\n")


def test_a_command_that_changes_something_is_a_tick_of_the_clock(vmtool, machine):
    before = machine.clock
    vmtool("touch 1 heap")
    vmtool("cat /proc/1/comm")
    vmtool("brk 1")
    vmtool("brk 1 --by 4K")
    assert machine.clock == before + 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_program(vmtool, shell):
    ran = vmtool(f"completion {shell}")
    assert ran.status == 0
    assert "_VMTOOL_COMPLETE" in ran.out
