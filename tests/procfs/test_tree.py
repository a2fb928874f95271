"""The tree of /proc: what is there, what leads where, what is refused."""

import errno

import pytest

from vmtool.errors import KernelError
from vmtool.procfs.tree import Tree

core = pytest.importorskip("vmtool._core", reason="the kernel is not built here (make)", exc_type=ImportError)


@pytest.fixture
def tree():
    machine = core.Machine()
    machine.boot(ram_bytes=256 << 20)
    machine.spawn("render", None, [b"render", b"-v"], [b"HOME=/"])
    machine.fork(1)
    return Tree(machine)


def test_every_name_that_is_listed_is_there(tree):
    nr_files = 0
    todo = ["/"]
    while todo:
        path = todo.pop()
        for name, kind in tree.list(path):
            below = f"{path.rstrip('/')}/{name}"
            assert tree.look(below, follow=False).kind == kind
            nr_files += kind == "f"
            if kind == "d":
                todo.append(below)
            elif kind == "f" and name != "mem" and not name.startswith(("pagemap", "kpage", "clear_refs")):
                assert isinstance(tree.read(below), bytes)
    assert nr_files > 100


def test_processes_come_in_ascending_order_behind_the_files(tree):
    for _ in range(10):
        tree.machine.fork(1)
    names = [name for name, _ in tree.list()]
    assert names[-12:] == [str(pid) for pid in range(1, 13)]
    assert names[:-12] == sorted(names[:-12])


def test_links_lead_into_the_tree(tree):
    assert tree.readlink("/proc/self") == "1"
    assert tree.read("self/cmdline") == tree.read("1/cmdline") == b"render\0-v\0"
    assert tree.read("thread-self/comm") == b"render\n"
    assert tree.read("mounts") == tree.read("1/mounts")
    assert Tree(tree.machine, self_pid=2).readlink("self") == "2"
    assert tree.readlink("1/exe") == "/usr/bin/render"


def test_every_file_of_an_area_is_in_map_files(tree):
    areas = {line.split()[0]: line.split()[5] for line in tree.read("1/maps").decode().splitlines() if "/usr/bin" in line}
    links = {name: tree.readlink(f"1/map_files/{name}") for name, _ in tree.list("1/map_files")}
    assert {f"{int(a, 16):x}-{int(b, 16):x}": path for (a, b), path in ((k.split("-"), p) for k, p in areas.items())} == links


@pytest.mark.parametrize(("path", "error"), [
    ("nothing", errno.ENOENT), ("3/maps", errno.ENOENT), ("01/maps", errno.ENOENT), ("1/nothing", errno.ENOENT),
    ("1/maps/x", errno.ENOTDIR),
    ("meminfo/x", errno.ENOTDIR), ("", errno.EISDIR), ("1", errno.EISDIR), ("sys/vm", errno.EISDIR), ("sys/nothing/at/all", errno.ENOENT),
    ("1/exe", errno.ENOENT), ("1/cwd/etc", errno.ENOENT), ("1/task/2", errno.ENOENT), ("9" * 40, errno.ENOENT), ("1/fd/0", errno.ENOENT),
    ("1/clear_refs", errno.EINVAL),
    ("1/mem", errno.EIO),
    ("1/pagemap", errno.EFBIG), ("sys/vm/drop_caches", errno.EACCES), ("1/map_files/0-1", errno.ENOENT), ("1/maps\0", errno.ENOENT),
])  # fmt: skip
def test_what_cannot_be_read(tree, path, error):
    with pytest.raises(KernelError) as raised:
        tree.read(path)
    assert raised.value.errno == error


def test_a_file_is_no_directory_and_no_link(tree):
    asked = (tree.list, "meminfo", errno.ENOTDIR), (tree.readlink, "meminfo", errno.EINVAL), (tree.readlink, "1", errno.EINVAL)
    for ask, path, error in asked:
        with pytest.raises(KernelError) as raised:
            ask(path)
        assert raised.value.errno == error


def test_writes(tree):
    tree.write("1/oom_score_adj", b"500\n")
    tree.write("1/comm", b"a name that is too long\n")
    tree.write("sys/vm/swappiness", b"10\n")
    assert tree.read("1/oom_score_adj") == b"500\n"
    assert tree.read("1/comm") == b"a name that is \n"
    assert tree.read("sys/vm/swappiness") == b"10\n"
    for path, data, error in (("1/oom_score_adj", b"x", errno.EINVAL), ("1/oom_score_adj", b"9" * 30, errno.ERANGE),
                              ("1/oom_score_adj", b"1001", errno.EINVAL), ("1/maps", b"", errno.EACCES), ("1", b"", errno.EISDIR),
                              ("sys/vm/swappiness", b"\xff\xfe", errno.EINVAL)):  # fmt: skip
        with pytest.raises(KernelError) as raised:
            tree.write(path, data)
        assert raised.value.errno == error


def test_oom_score_adj_is_lowered_by_root_alone(tree):
    """Judge: a process without CAP_SYS_RESOURCE on Linux 6.18, and tests/outside/test_fuse.py."""
    def write(text):
        tree.write("1/oom_score_adj", text)

    def refused(text):
        with pytest.raises(KernelError) as raised:
            write(text)
        assert raised.value.errno == errno.EACCES

    write(b"500")
    write(b"0")  # up and back again
    refused(b"-1")
    tree.machine.set_oom_score_adj(1, 200)  # root: this is the least now
    refused(b"199")
    write(b"300")
    write(b"200")
    tree.machine.set_oom_score_adj(1, -700)
    write(b"-700")
    refused(b"-701")
    child = tree.machine.fork(1)
    tree.write(f"{child}/oom_score_adj", b"10")
    tree.write(f"{child}/oom_score_adj", b"-700")  # the child has its parent's least
    assert tree.read(f"{child}/oom_score_adj") == b"-700\n"


def test_a_pagemap_is_read_in_pieces(tree):
    node = tree.look("1/pagemap")
    first = tree.machine.maps(1)[0]
    offset = first.start >> 12 << 3
    assert (offset, (first.end - first.start) >> 12 << 3) in node.entry.extents(tree, 1)
    entries = tree.machine.pagemap(1, first.start, first.end - first.start)
    data = node.entry.pread(tree, offset, 8 * len(entries), 1)
    assert data == b"".join(entry.entry.to_bytes(8, "little") for entry in entries)
    with pytest.raises(KernelError) as raised:
        node.entry.pread(tree, 4, 8, 1)
    assert raised.value.errno == errno.EINVAL
    assert node.entry.pread(tree, node.entry.size(tree, 1), 80, 1) == b""


def test_frames_flags_and_counts(tree):
    flags, counts = (memoryview(tree.read(name)).cast("Q") for name in ("kpageflags", "kpagecount"))
    assert len(flags) == len(counts) == tree.machine.max_pfn()
    for frame in tree.machine.frames(range(0, len(flags), 97)):
        assert (flags[frame.pfn], counts[frame.pfn]) == (frame.kpageflags, frame.mapcount)
    buddy = sum(flag >> 10 & 1 for flag in flags)
    assert buddy == sum(zone.free for zone in tree.machine.zones())
    groups = memoryview(tree.read("kpagecgroup")).cast("Q")
    assert set(groups) == {0, 1}
    for frame in tree.machine.frames(range(0, len(flags), 97)):
        assert groups[frame.pfn] == (frame.kind in ("anon", "file", "shmem"))


def test_physical_memory_in_iomem(tree):
    lines = tree.read("iomem").decode().splitlines()
    ram = [line.split()[0] for line in lines if line.endswith(": System RAM")]
    nr_pages = sum((int(end, 16) + 1 - int(start, 16)) >> 12 for start, end in (span.split("-") for span in ram))
    assert nr_pages == sum(zone.present for zone in tree.machine.zones())
    image = [line.strip().split(" : ")[1] for line in lines if line.startswith("  ")]
    assert image == ["Kernel code", "Kernel rodata", "Kernel data", "Kernel bss"]


def test_pages_of_areas_are_the_used_part_of_vmalloc(tree):
    pages = sum(int(line.split("pages=")[1].split()[0]) for line in tree.read("vmallocinfo").decode().splitlines() if " pages=" in line)
    assert f"VmallocUsed:    {pages * 4:8} kB\n" in tree.read("meminfo").decode()


def test_mem_is_read_and_written_as_by_a_debugger():
    machine = core.Machine()
    machine.boot(ram_bytes=256 << 20)
    machine.spawn("render", None, [b"render"], [])
    tree = Tree(machine)
    mem = tree.look("1/mem").entry
    text = machine.mm(1).start_code
    heap = machine.brk(1)
    machine.brk(1, heap + 8192)
    before = machine.task(1).min_flt
    assert mem.pread(tree, text, 4, 1) == b"\x7fELF"
    assert mem.pread(tree, heap, 8, 1) == bytes(8) and machine.task(1).min_flt == before + 2  # faulted in, as for ptrace
    assert len(mem.pread(tree, heap + 4096, 10000, 1)) == 4096  # up to the end of the area
    # a read-only page of the program gets a copy of its own, which stays read-only
    assert tree.write("1/mem", b"\xcc", text + 16) == 1
    assert mem.pread(tree, text + 16, 1, 1) == b"\xcc" and machine.load(1, text + 16, 1) == b"\xcc"
    assert machine.read(1, "/usr/bin/render", 16, 1) != b"\xcc"
    assert not machine.smaps(1)[0].vma.flags & 2 and machine.smaps(1)[0].stats.anonymous == 4096
    for address in (0, 1 << 63, next(v.start for v in machine.maps(1) if v.name == "[vvar]")):
        with pytest.raises(KernelError, match="EIO"):
            mem.pread(tree, address, 8, 1)
    machine.mkfile("/shared", 4096)
    shared = machine.mmap(1, 0, 4096, 1, 1, "/shared", 0, True)
    with pytest.raises(KernelError, match="EIO"):
        tree.write("1/mem", b"x", shared)
    writable = machine.mmap(1, 0, 4096, 3, 1, "/shared")
    assert tree.write("1/mem", b"xyz", writable) == 3 and machine.read(1, "/shared", 0, 3) == b"xyz"
    machine.mprotect(1, heap, 4096, 0)
    assert mem.pread(tree, heap, 4, 1) == bytes(4)  # FOLL_FORCE
    assert machine.fsck() == []
