"""What calls cost in the kernel's own objects: what Linux 6.18.15 was measured to take.

Debian, x86-64, one CPU, every cache shrunk before each look.
"""

import re
from pathlib import Path

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 4096
TASKS = Path(__file__).parents[2] / "docs" / "systems" / "tasks.md"
PROT_READ, PROT_WRITE, MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS = 1, 2, 1, 2, 0x20
RECORDS = {  # of kmem_cache
    "task_struct": 1, "mm_struct": 2, "vm_area_struct": 3, "anon_vma": 4, "anon_vma_chain": 5, "maple_node": 6, "signal_cache": 7,
    "sighand_cache": 8, "files_cache": 9, "pid": 10, "filp": 11, "dentry": 12, "ext4_inode_cache": 13, "shmem_inode_cache": 14,
    "radix_tree_node": 15, "lsm_inode_cache": 17, "lsm_file_cache": 18, "vmap_area": 19, "kmalloc-32": 24, "kmalloc-64": 25,
    "kmalloc-96": 26, "kmalloc-cg-32": 37,
}  # fmt: skip
PROCESS = {"task_struct": 1, "mm_struct": 1, "signal_cache": 1, "sighand_cache": 1, "files_cache": 1, "pid": 2, "kmalloc-cg-32": 1,
           "kmalloc-64": 1, "kmalloc-96": 1, "kmalloc-32": 1, "vmap_area": 2}
"""cred is merged with pid, fs_cache with anon_vma_chain; a stack is a vm_struct, an array of pages and two vmap_area."""


class Costs:
    def __init__(self):
        self.m = core.Machine()
        self.m.boot(ram_bytes=1 << 30)
        self.pid = self.m.spawn("render", None, [b"render"], [])
        self.m.fork(self.pid)  # so that further stacks lie behind another
        self.before = self.objects()

    def objects(self):
        return {name: self.m.peek("kmem_cache", record, "nr_objs") for name, record in RECORDS.items()}

    def moved(self):
        return {name: n - self.before[name] for name, n in self.objects().items() if n != self.before[name]}

    def mark(self):
        self.before = self.objects()


@pytest.fixture
def k():
    costs = Costs()
    yield costs
    assert costs.m.fsck() == []


def test_a_fork(k):
    areas = len(k.m.maps(k.pid))
    with_anon = sum(k.m.peek("vma", v, "anon_vma") != 0 for v in range(1, areas + 1))
    k.m.fork(k.pid)
    assert k.moved() == PROCESS | {"vm_area_struct": areas - 1, "anon_vma": with_anon, "anon_vma_chain": 2 * with_anon + 1,
                                   "maple_node": 1}


def test_a_process_gives_back_all_but_its_stack_and_its_addresses(k):
    child = k.m.fork(k.pid)
    k.m.exit(child)
    assert k.moved() == {"kmalloc-96": 1, "kmalloc-32": 1, "vmap_area": 2}


def test_a_program_keeps_the_credentials_that_opened_its_file(k):
    k.m.spawn("render", None, [b"render"], [])
    moved = k.moved()
    assert (moved["pid"], moved["kmalloc-cg-32"], moved["filp"], moved["lsm_file_cache"]) == (3, 2, 1, 1)


def test_areas_with_gaps(k):
    for i in range(100):
        k.m.mmap(k.pid, 0x100000000000 + i * 2 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)
    assert k.moved() == {"vm_area_struct": 100, "maple_node": 16}
    k.m.munmap(k.pid, 0x100000000000, 200 * PAGE)
    assert k.moved() == {}


def test_a_write_to_each_of_some_areas(k):
    for i in range(10):
        addr = k.m.mmap(k.pid, 0x100000000000 + i * 2 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)
        k.m.touch(k.pid, addr, 1, "w")
    moved = k.moved()
    assert moved.pop("maple_node") in (2, 3)  # two with five areas before them, this program has more
    assert moved == {"vm_area_struct": 10, "anon_vma": 10, "anon_vma_chain": 10}


def test_shared_memory_is_a_file_of_its_own(k):
    addr = k.m.mmap(k.pid, 0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS)
    moved = k.moved()
    assert {name: n for name, n in moved.items() if name != "maple_node"} == {
        "vm_area_struct": 1, "filp": 1, "lsm_file_cache": 1, "dentry": 1, "shmem_inode_cache": 1, "lsm_inode_cache": 1}
    k.m.munmap(k.pid, addr, PAGE)
    assert k.moved() == {}


def test_a_file_on_the_disk_costs_nothing_until_it_is_opened(k):
    k.m.mkfile("/data", PAGE)
    assert k.moved() == {}
    k.m.read(k.pid, "/data", 0, 10)
    assert k.moved() == {"dentry": 1, "ext4_inode_cache": 1, "lsm_inode_cache": 1, "filp": 1, "lsm_file_cache": 1}


def test_dropping_caches_takes_dentries_first_and_inodes_without_pages(k):
    k.m.mkfile("/data", PAGE)
    k.m.read(k.pid, "/data", 0, 10)
    k.m.drop_caches(2)
    assert (k.moved().get("dentry"), k.moved()["ext4_inode_cache"]) == (None, 1)
    k.m.drop_caches(1)
    assert k.moved()["ext4_inode_cache"] == 1
    k.m.drop_caches(3)
    assert "ext4_inode_cache" not in k.moved()


def test_numbers_of_processes_take_a_node_for_each_64(k):
    for _ in range(130):
        k.m.fork(k.pid)
    assert k.moved()["radix_tree_node"] == 3  # two more leaves, and the node above them


def test_the_table_of_the_documentation():
    """A program with the areas that it speaks of, and the sizes that slabinfo shows."""
    rows = re.findall(r"^\| ([\w-]+) \| (\d+) \| (\d+) \| (\d+)(?: and (\d+) \w+)? \|$", TASKS.read_text(), re.M)
    assert len(rows) == len(PROCESS) + 4
    k = Costs()
    areas = len(k.m.maps(k.pid)) - 1  # [vsyscall] is in no tree
    with_anon = sum(k.m.peek("vma", v, "anon_vma") != 0 for v in range(1, areas + 2))
    k.m.fork(k.pid)
    moved, sizes = k.moved(), {cache.name: cache.objsize for cache in k.m.slabs()}
    for name, objects, size, measured, other in rows:
        here = moved[name]
        if name == "vm_area_struct":
            here += 5 - areas
        elif name in ("anon_vma", "anon_vma_chain"):
            here += (1 - with_anon) * (2 if name == "anon_vma_chain" else 1)
        assert (name, here) == (name, int(objects)) == (name, int(measured) + int(other or 0))
        assert (name, sizes[name]) == (name, int(size))


def test_a_thousand_threads_cost_fourteen_tables_for_their_stacks():
    """Each stack takes 32K of addresses; boot leaves room for 112 of them. Measured: PageTables +56 kB, and never given back."""
    k = Costs()
    tables = [k.m.meminfo()["PageTables"]]
    for nr in (100, 900):
        for _ in range(nr):
            k.m.clone(k.pid)
        tables.append(k.m.meminfo()["PageTables"])
    assert [n - tables[0] for n in tables] == [0, 0, 56]
    assert k.m.fsck() == []
