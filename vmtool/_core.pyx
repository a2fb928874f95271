# cython: language_level=3
"""Machine: one method per user-visible operation. See _core.pyi for what each takes and gives.

The door by subject: each room has functions whose first argument is a State (the arena, its chunks: _state), and Machine has them all as methods.
_walks and _views (the machine), _space and _pagemap (a process), _outside and _adopt (logs, live processes), _files, _processes, _calls (system calls on memory),
_accesses, _reclaim, _kernel, _heap, _fsck; here is boot. Errors of mm/ (-errno) become KernelError, signals Signal.
"""

from libc.string cimport strncpy

from vmtool._state cimport PATH_MAX, State
from vmtool.mm.arena cimport arena_t
from vmtool.mm.arch cimport ARCH_PKEYS, CPU_PKU, arch_name
from vmtool.mm.compaction cimport try_to_compact_pages
from vmtool.mm.boot cimport (BOOT_ARCH, BOOT_KPTI, BOOT_NO_ROOM, BOOT_PCID, BOOT_PKU, BOOT_RAM, BOOT_SOFT_DIRTY, BOOT_SOFT_DIRTY_KERNEL, BOOT_TLB,
                             machine_boot, machine_upgrade)
from vmtool.mm.fsck_memcg cimport memcg_upgrade
from vmtool.mm.layout cimport layout_of
from vmtool.mm.pagecache cimport alloc_da_blocks, name_read, name_store
from vmtool.mm.rmap cimport page_mkclean
from vmtool.mm.oom_kill cimport out_of_memory
from vmtool.mm.shmem_swap cimport shmem_free_swap, shmem_swapin
from vmtool.mm.swap_fault cimport do_swap_page
from vmtool.mm.swap_state cimport free_swap_and_cache_nr, swap_cache_get, try_to_reclaim_swap
from vmtool.mm.swapfile cimport swap_duplicate, swp_swapcount
from vmtool.mm.types cimport *
from vmtool.mm.unmap cimport unmap_mapping_range
from vmtool.mm.validate cimport machine_validate
from vmtool.mm.kswapd cimport wakeup_kswapd
from vmtool.mm.vmscan cimport compaction_zonelist_suitable, should_reclaim_retry, try_to_free_mem_cgroup_pages, try_to_free_pages

from vmtool import _accesses, _calls, _files, _processes, _space, _views, _walks
from vmtool import records as r
from vmtool.errors import InternalError, KernelError

cdef extern from "Python.h":
    object PyInstanceMethod_New(object function)  # found in a class, it is a method; the functions themselves, without names and code, are not

constants = _views.constants
PLAIN = ("constants",)  # functions that take no machine
U64 = 0xFFFFFFFFFFFFFFFF
X86_ALONE = "not with {arch}, with x86-64 and x86-64-la57"
BOOT_ERRORS = {
    BOOT_ARCH: (EINVAL, "--arch: there is no {arch}"),
    BOOT_TLB: (EINVAL, "--tlb: {tlb!r} describes no TLB, or one that is too large"),
    BOOT_RAM: (EINVAL, "--ram: {ram_bytes} bytes are too few for {arch}, or too many"),
    BOOT_NO_ROOM: (ENOMEM, "--ram: the kernel does not fit into {ram_bytes} bytes"),
    BOOT_PCID: (EINVAL, "--pcid: " + X86_ALONE), BOOT_KPTI: (EINVAL, "--kpti: " + X86_ALONE), BOOT_PKU: (EINVAL, "--pku: " + X86_ALONE),
    BOOT_SOFT_DIRTY: (EINVAL, "--soft-dirty: " + X86_ALONE),
    BOOT_SOFT_DIRTY_KERNEL: (EINVAL, "--soft-dirty: not with {kernel}, Linux has it since 3.11"),
}
LATER = {
    "_fsck": "fsck fsck_names",
    "_kernel": "slabs kmalloc kfree vmalloc vfree alloc_pages free_pages vmalloc_areas kernel_pages",
    "_heap": "malloc calloc realloc free memalign malloc_usable_size malloc_trim mallopt set_tunable thread_exit heap_figures heap_bins heap_chunks "
             "heap_map heap_trace",
    "_adopt": "adopt adopt_pages adopt_shared adopt_inherited adopt_bytes adopt_facts adopt_threads",
    "_outside": "open_file open_new open_again close_file unlink_file rename_file truncate_file punch_file identify_file lift_limit prepare_anon like_borders",
    "_pagemap": "dump mapped_by pagemap next_table pagemap_bytes entry_bytes entries",
    "_reclaim": "swapon swapoff swaps reclaim sleep fragmentation thp_sizes mthp_stats thp_disable set_thp_disable kmsg lru_lists "
                "cgroup_create cgroup_remove cgroup_move cgroup_set cgroup cgroups",
}
"""Methods of rooms that few commands need."""


cdef object sysroot_of(arena_t *a):
    cdef char text[PATH_MAX]
    return text[:name_read(a, a.m.sysroot, text, PATH_MAX)].decode("utf-8", "surrogateescape")


cdef object wire(State self, header):
    """What lower rooms call upwards; and of a saved machine, whether it can be one."""
    self.a.unmap_mapping_range = unmap_mapping_range
    self.a.page_mkclean = page_mkclean
    self.a.alloc_da_blocks = alloc_da_blocks
    self.a.wakeup_kswapd = wakeup_kswapd
    self.a.direct_compact, self.a.compaction_zonelist_suitable = try_to_compact_pages, compaction_zonelist_suitable
    self.a.alloc_slowpath = try_to_free_pages
    self.a.should_reclaim_retry = should_reclaim_retry
    self.a.reclaim_memcg = try_to_free_mem_cgroup_pages
    self.a.out_of_memory = out_of_memory
    self.a.shmem_swapin = shmem_swapin
    self.a.shmem_free_swap = shmem_free_swap
    self.a.swap_duplicate, self.a.swap_free = swap_duplicate, free_swap_and_cache_nr
    self.a.swp_swapcount, self.a.swap_cache_get = swp_swapcount, swap_cache_get
    self.a.try_to_reclaim_swap, self.a.do_swap_page = try_to_reclaim_swap, do_swap_page
    cdef const char *wrong
    if header is not None:
        wrong = machine_validate(&self.a)
        self.check()
        if wrong != NULL:
            raise InternalError(f"{wrong.decode()} cannot be")
        if machine_upgrade(&self.a) < 0:
            raise InternalError("what it lacks beside later machines cannot be made: its records are damaged, or memory is short")
        memcg_upgrade(&self.a)
        self.check()


def boot(State self, *, ram_bytes, arch="x86-64", kernel="6.18", nr_cpus=1, swap_bytes=0, tlb="", pcid=False, kpti=False, pku=False, soft_dirty=False, sysroot="", aslr_seed=None):
    cdef int err
    if not 1 <= nr_cpus <= MAX_CPUS:
        raise KernelError(EINVAL, f"--cpus: {nr_cpus} is not within 1 to {MAX_CPUS}")
    if kernel not in r.KERNELS:
        raise KernelError(EINVAL, f"--kernel: {kernel} is not modelled, only {', '.join(r.KERNELS)} are")
    for text, size, option in ((tlb, 63, "--tlb"), (arch, 31, "--arch"), (sysroot, PATH_MAX - 1, "--sysroot")):
        if len(text.encode("utf-8", "surrogateescape")) > size:
            raise KernelError(EINVAL, f"{option}: too long")
    name, spec, release = arch.encode(), tlb.encode(), kernel.encode()
    strncpy(self.a.m.tlb_spec, spec, 63)
    strncpy(self.a.m.kernel, release, 15)
    self.a.m.ram_bytes, self.a.m.nr_cpus, self.a.m.swap_bytes = ram_bytes, nr_cpus, swap_bytes
    self.a.m.pcid, self.a.m.kpti, self.a.m.soft_dirty = pcid, kpti, soft_dirty
    self.a.m.cpu_features = CPU_PKU if pku else 0
    self.a.m.aslr = aslr_seed is not None
    self.a.m.seed = (aslr_seed or 0) & U64
    err = machine_boot(&self.a, name)
    if err:
        number, words = BOOT_ERRORS[err]
        raise KernelError(number, words.format(arch=arch, tlb=tlb, ram_bytes=ram_bytes, kernel=kernel))
    root = sysroot.encode("utf-8", "surrogateescape")
    self.a.m.sysroot = name_store(&self.a, root, <uint32_t>len(root))
    self.check()
    if swap_bytes:
        self.swapon(swap_bytes)


def info(State self):
    cdef machine_t *m = self.a.m
    return r.MachineInfo(arch_name(m.arch.id).decode(), m.kernel.decode(), m.ram_bytes, m.nr_cpus, m.swap_bytes, m.arch.page_shift, m.arch.levels,
                         m.arch.pageblock_order, m.arch.pmd_order, layout_of(&m.arch, 0).task_size, bool(m.pcid), bool(m.kpti),
                         bool(m.arch.flags & ARCH_PKEYS), bool(m.arch.soft_dirty), bool(m.aslr), m.seed, m.tlb_spec.decode(), sysroot_of(&self.a), m.clock)


def tick(State self):
    self.mark()
    # Who runs is not saved: the next operation must not find the last one's process, or in a script it would do what it does not alone.
    self.a.task = self.a.cpu = 0
    self.a.m.clock += 1
    return self.a.m.clock


cdef class Later:
    """In the place of a method of such a room, which is imported when it is asked for the first time. Not __getattr__: a class that has one finds
    no method at once."""
    cdef str name
    cdef str room

    def __get__(self, machine, owner):
        setattr(Machine, self.name, PyInstanceMethod_New(getattr(__import__(f"vmtool.{self.room}", fromlist=[self.name]), self.name)))
        return getattr(owner if machine is None else machine, self.name)


cdef Later later(name, room):
    it = Later()
    it.name, it.room = name, room
    return it


def init(State self, load=None, header=None):
    wire(self, header)


def repr_svg(State self):
    from vmtool.face.notebook import of_machine
    return of_machine(self)._repr_svg_()


def repr_html(State self):
    from vmtool.face.notebook import of_machine
    return of_machine(self)._repr_html_()


cdef object methods_of(room):
    """What a room has for everybody, by name."""
    return {name: it for name, it in vars(room).items() if type(it) is type(len) and it.__module__ == room.__name__ and name not in PLAIN}


cdef dict body_of_machine():
    """All at once: a method that is set in a class that is there costs a command as much as ten of these."""
    methods = {"__init__": init, "_repr_svg_": repr_svg, "_repr_html_": repr_html, "boot": boot, "info": info, "tick": tick}
    for room in (_walks, _views, _space, _files, _processes, _calls, _accesses):
        methods.update(methods_of(room))
    body = {name: PyInstanceMethod_New(method) for name, method in methods.items()}
    for room, names in LATER.items():
        body.update({name: later(name, room) for name in names.split()})
    body["__slots__"], body["__module__"] = (), __name__
    return body


Machine = type("Machine", (State,), body_of_machine())
