"""Each room uses only what lies below it: read from the `import` and `cimport` lines of every module.

A new module of mm/ gets its place in LEVELS; where it does not fit, it reaches upward, or a room is in the wrong place.
"""

import re
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "vmtool"
MOST_LINES = 500

# mm/, from the foot: a module uses lines above its own, never its own line. vmtool/mm/README.md says what each is.
LEVELS = """
    checks flags libc_data scalars kmem_types kmem_caches
    reclaim_types mmzone_types mm_types task_types fs_types arch_types
    cpu_types
    types
    swapops
    arch_x86
    arch_arm arch_arm64 arch_riscv
    arena arch
    memblock
    linear_map
    tlb_spec xnode names pid vma pkeys vmstat trace mm_acct zone printk
    free_list frame tlb layout
    contpte
    lruvec pte hstate
    tlb_run walk mmu free_area sched compact_state large_folio
    memcontrol pcp mmu_context
    folio_split buddy extfrag
    slub pgtable mlock
    slab pti pagewalk
    set_memory
    module_areas
    boot_areas kernel_areas_arm64
    vmalloc maple cred swap_cluster
    kernel_areas_32 kernel_areas_arm kernel_areas_riscv swapfile
    kernel_areas
    kmem_boot mtree
    swap_lru vma_iter swap_quick
    workingset
    filemap rmap
    swap_state inode thp task_objects memcg_stat direct_map
    swap_readahead
    shmem readahead truncate writeback placement thp_split mthp folio_unmap rmap_walk shmem_swap vmscan_anon vmscan_putback swapin_quick
    fileio vmscan_list migrate shrinker mm_slot
    pagecache vmscan compact_free
    vma_merge task compact_scan unmap_quick
    alloc_contig compaction
    hugetlb_pool
    hugetlb
    unmap
    thp_fault advise_pages fault_file fault_anon kswapd
    mm move_tables
    fault oom_report access_quick
    access_run
    access oom_kill swap_fault
    populate adopt kmem_upgrade large_upgrade kmalloc collapse access_stream
    collapse_file
    khugepaged
    show_* boot sysctl_hugetlb
    sys_* sysctl fsck*
    sys_exec validate
    _probe
    _probe_*
"""
LEVEL_OF = {name: level for level, line in enumerate(LEVELS.strip().splitlines()) for name in line.split()}

# room: the modules of vmtool that it may use beside its own.
MAY_USE = {
    "_loader": [],
    "environ": [],
    "record_type": [],
    "records": ["record_type"],
    "images": ["records"],
    "mm": [],
    "libc": ["mm.types", "mm.libc_data", "mm.arena", "mm.access", "mm.sys_*"],
    "_state": ["mm.arena", "mm.sched", "mm.types", "errors"],
    "_walks": ["mm.*", "_state", "errors", "records"],
    "_views": ["mm.*", "_state", "errors", "records"],
    "_fsck": ["mm.*", "_state", "_heap"],
    "_space": ["mm.*", "_state", "_walks", "_views", "records"],
    "_pagemap": ["mm.*", "_state", "_walks", "_space", "errors", "records"],
    "_outside": ["mm.*", "_state", "_walks", "errors"],
    "_adopt": ["mm.*", "_state", "_walks", "_space", "_outside", "errors"],
    "_files": ["mm.*", "_state", "_walks", "_views", "errors", "records"],
    "_processes": ["mm.*", "_state", "_walks", "_views", "_files", "demo", "errors"],
    "_calls": ["mm.*", "_state", "_walks", "_outside", "_files", "errors"],
    "_accesses": ["mm.*", "_state", "_walks", "_files", "_processes", "errors", "records"],
    "_reclaim": ["mm.*", "_state", "_walks", "_files", "errors", "records"],
    "_heap": ["mm.*", "libc.*", "_state", "_walks", "_files", "_processes", "errors", "records"],
    "_kernel": ["mm.*", "_state", "_files", "errors", "records"],
    "_door": ["records", "images"],
    "_core": ["_door.*", "mm.*", "_state", "_walks", "_views", "_space", "_pagemap", "_outside", "_adopt", "_files", "_processes", "_calls",
              "_accesses", "_reclaim", "errors", "face.notebook", "records"],  # fmt: skip
    "demo": ["images"],
    "_packing": ["errors"],
    "store": ["environ", "errors", "_packing", "_core"],  # _core: the default maker of machines, which it only hands bytes
    "procfs": ["records", "uapi", "units", "errors", "_core"],  # the tree asks a Machine that it is given
    "views": ["records", "uapi", "units"],
    "face": ["records", "uapi", "units", "errors", "procfs.*", "views.*", "_core"],  # it asks a Machine that it is given
    "tools": ["uapi", "units", "hexdigits"],
    "strace": ["records", "images", "errors", "uapi", "units", "hexdigits"],
    "outside": ["records", "images", "errors", "uapi", "units", "strace.*", "procfs.*"],  # what it writes down for a log, strace/ reads
    "cli": ["*"],
    "notebook": ["_core", "face.*", "cli.*", "units"],  # for notebooks: the command line in their process
    "testing": ["store.*"],  # for other people's tests: the command line in a process of its own, and the clock
    "machine": ["_core", "errors", "procfs.*", "store.*"],  # vmtool.Machine
    "__init__": ["_loader", "machine"],
    "__main__": ["cli.*"],
    "errors": [],
    "uapi": [],
    "units": [],
    "hexdigits": [],
}
# Modules that bring in the host, a clock or chance. Only these rooms meet the world.
WORLD = {"os", "io", "pathlib", "mmap", "shutil", "tempfile", "subprocess", "socket", "time", "datetime", "random", "locale"}
WORLDLY = {"store", "outside", "cli", "__main__", "errors", "testing"}

TESTS_ONLY = "mm._probe*"  # the rooms of mm/ from Python, one by one

MODULES = sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".pyx", ".pxd", ".pyi"))
WRITTEN = sorted(
    path
    for top in ("vmtool", "tests", "bench", "bin", "scripts", "setup.py", "Makefile")
    for path in [ROOT / top, *(ROOT / top).rglob("*")]
    if path.is_file() and path.suffix in (".py", ".pyx", ".pxd", ".pyi", ".c", ".h", ".sh", "")
)


def name_of(path):
    return str(path.relative_to(ROOT))


def module_of(path):
    """`mm.vma` for vmtool/mm/vma.pyx; a package is its __init__."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imports_of(path):
    """The modules that a file imports, wherever in it: `vmtool.mm.vma`, `os`. Names from a package count as its modules."""
    text = re.sub(r'""".*?"""', "", path.read_text(), flags=re.DOTALL)
    text = re.sub(r"\\\n", " ", text)
    found = set()
    for module, names in re.findall(r"^[ \t]*from[ \t]+([\w.]+)[ \t]+c?import[ \t]+(\([^)]*\)|[^\n#]+)", text, re.MULTILINE):
        parts = [name.split()[0] for name in re.sub(r"[()\n]", " ", re.sub(r"#.*", "", names)).split(",") if name.strip()]
        inside = PACKAGE.parent.joinpath(*module.split("."))
        found |= {f"{module}.{part}" for part in parts} if inside.is_dir() and module.startswith("vmtool") else {module}
    for names in re.findall(r"^[ \t]*c?import[ \t]+([\w., \t]+)", text, re.MULTILINE):
        found |= {name.split()[0] for name in names.split(",")}
    return found


def inside(path):
    """The modules of vmtool that a file uses, without `vmtool.`; the version, which is anyone's, is left out."""
    return {name.removeprefix("vmtool.") for name in imports_of(path) if name.startswith("vmtool.")} - {"__version__"}


def test_a_module_uses_only_what_its_room_may():
    wrong = []
    for path in MODULES:
        room = module_of(path).split(".")[0]
        if room not in MAY_USE:
            wrong.append(f"{name_of(path)}: a new room; give it a line in MAY_USE")
            continue
        allowed = [f"{room}.*", *MAY_USE[room]]
        wrong += [f"{name_of(path)} uses {used}" for used in inside(path) if not any(fnmatch(used, pattern) for pattern in allowed)]
    assert not wrong


def level_of(module):
    """Counted from the foot; None for a module without a level. The last line that fits: `sys_exec` uses other `sys_*`."""
    return max((level for pattern, level in LEVEL_OF.items() if fnmatch(module, f"mm.{pattern}")), default=None)


def test_a_module_of_mm_uses_lower_levels():
    wrong = []
    for path in MODULES:
        module = module_of(path)
        if not module.startswith("mm.") or module == "mm.__init__":
            continue
        if level_of(module) is None:
            wrong.append(f"{name_of(path)}: a new module; give it a level in LEVELS")
            continue
        others = [used for used in inside(path) - {module} if level_of(used) is not None]
        wrong += [f"{name_of(path)} uses {used}, which is not below it" for used in others if level_of(used) >= level_of(module)]
    assert not wrong


def test_the_kernel_knows_no_python():
    """In mm/ and libc/ everything cimported is ours or C's."""
    wrong = []
    for path in MODULES:
        if module_of(path).startswith(("mm.", "libc.")) and not fnmatch(module_of(path), TESTS_ONLY):
            wrong += [f"{name_of(path)} uses {used}" for used in imports_of(path) if not used.startswith(("vmtool.", "libc.", "cython"))]
    assert not wrong


def test_the_product_does_not_use_what_is_for_tests():
    product = [path for path in MODULES if not fnmatch(module_of(path), TESTS_ONLY)]
    assert not [name_of(path) for path in product if any(fnmatch(used, TESTS_ONLY) for used in inside(path))]


def test_the_world_is_met_in_a_few_rooms_only():
    wrong = []
    for path in MODULES:
        if module_of(path).split(".")[0] not in WORLDLY:
            wrong += [f"{name_of(path)} imports {used}" for used in imports_of(path) if used.split(".")[0] in WORLD]
    assert not wrong


def test_only_the_store_knows_sqlite():
    others = [path for path in MODULES if not path.is_relative_to(PACKAGE / "store")]
    assert not [name_of(path) for path in others if {"sqlite3", "_sqlite3"} & imports_of(path)]


def test_no_file_outgrows_a_reader():
    sizes = {name_of(path): len(path.read_text().splitlines()) for path in WRITTEN}
    assert not {name: nr_lines for name, nr_lines in sizes.items() if nr_lines > MOST_LINES}


def test_the_reading_of_imports(tmp_path):
    """Of the forms that occur; a form that is not read would let everything pass."""
    file = tmp_path / "module.pyx"
    file.write_text(
        '"""import nothing"""\nimport os, sys\nfrom vmtool.mm.vma cimport (find_vma,  # why\n    vma_link)\nfrom vmtool.mm cimport arena\n'
        "cimport cython\n    from vmtool import records as r, errors\nfrom libc.string cimport memset\n"
    )
    assert imports_of(file) == {
        "os", "sys", "vmtool.mm.vma", "vmtool.mm.arena", "cython", "vmtool.records", "vmtool.errors", "libc.string"
    }  # fmt: skip


def test_no_modules_of_strace_use_each_other_in_a_circle():
    """For type checkers neither: what two of them need stands below both (context.py)."""
    uses = {module_of(path): inside(path) - {module_of(path)} for path in MODULES if path.suffix != ".pyi"
            and module_of(path).startswith("strace.")}
    left = dict(uses)
    while free := [module for module, others in left.items() if not others & left.keys()]:
        for module in free:
            del left[module]
    assert not left
