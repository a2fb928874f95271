# cython: language_level=3
"""What a line of maps says of an area.

Counterpart: Linux v6.18 fs/proc/task_mmu.c:show_map_vma(), get_vma_name(); include/linux/mm.h:vma_is_initial_heap(), vma_is_initial_stack();
arch/x86/entry/vsyscall/vsyscall_64.c and arch/arm/kernel/process.c:get_gate_vma().

    a file's page          its path, or [anon_shmem:NAME]
    the kernel's own       [vdso] and its kin
    around the break       [heap]; around the stack's start: [stack]
    anything else          [anon:NAME], or nothing

An imported area that this kernel would name otherwise says what it said there (NAME_AS_IT_WAS). Changes nothing.
"""

from libc.string cimport memcpy, memset, strlen

from vmtool.mm.adopt cimport (MMF_ANON_OFFSETS, MMF_NARROW, MMF_NO_VSYSCALL, MMF_VSYSCALL_AS_VDSO, MMF_VSYSCALL_WIDE, NAME_AS_IT_WAS)
from vmtool.mm.arch cimport page_size
from vmtool.mm.arena cimport file_at, inode_at, mm_at, vma_at
from vmtool.mm.layout cimport kernel_release, layout_of, layout_t
from vmtool.mm.names cimport name_read
from vmtool.mm.pagecache cimport inode_path

cdef enum:
    STRICT_HEAP_SINCE = 6006
    WIDE_VSYSCALL = 0x800000  # what was set aside for it before 2.6.30
    GIVEN_BYTES = 256


cdef bint vma_is_initial_heap(arena_t *a, idx_t v) noexcept nogil:
    """Before 6.6 an area that only touches the heap, the end of .bss above all, was one too."""
    cdef const vma_t *area = vma_at(a, v)
    cdef const mm_t *m = mm_at(a, area.vm_mm)
    if kernel_release(a.m) < STRICT_HEAP_SINCE:
        return area.vm_start <= m.brk and area.vm_end >= m.start_brk
    return area.vm_start < m.brk and area.vm_end > m.start_brk


cdef inline bint vma_is_initial_stack(arena_t *a, const vma_t *area) noexcept nogil:
    return area.vm_start <= mm_at(a, area.vm_mm).start_stack <= area.vm_end


cdef void put_name(map_vma_t *out, const char *text, size_t length) noexcept nogil:
    memcpy(out.name + out.name_len, text, length)
    out.name_len += <uint32_t>length


cdef inline void put_text(map_vma_t *out, const char *text) noexcept nogil:
    put_name(out, text, strlen(text))


cdef const char *special_name(uint32_t kind) noexcept nogil:
    """Of an area that the kernel maps by itself. A driver's pages (an imported process has them) are no file's and have no name."""
    if kind == VMA_VDSO:
        return "[vdso]"
    if kind == VMA_VVAR:
        return "[vvar]"
    if kind == VMA_VVAR_VCLOCK:
        return "[vvar_vclock]"
    return "[sigpage]" if kind == VMA_SIGPAGE else ""


cdef void get_vma_name(arena_t *a, idx_t v, map_vma_t *out) noexcept nogil:
    cdef const vma_t *area = vma_at(a, v)
    cdef char given[GIVEN_BYTES]
    cdef uint32_t n = name_read(a, area.anon_name, given, GIVEN_BYTES)
    if n and given[0] == NAME_AS_IT_WAS:
        put_name(out, given + 1, n - 1)
    elif area.vm_file and n:
        put_text(out, "[anon_shmem:")
        put_name(out, given, n)
        put_text(out, "]")
    elif area.vm_file:
        out.name_len = inode_path(a, file_at(a, area.vm_file).inode, out.name, MAP_NAME_BYTES)
    elif area.kind != VMA_PLAIN:
        put_text(out, special_name(area.kind))
    elif vma_is_initial_heap(a, v):
        put_text(out, "[heap]")
    elif vma_is_initial_stack(a, area):
        put_text(out, "[stack]")
    elif n:
        put_text(out, "[anon:")
        put_name(out, given, n)
        put_text(out, "]")


cdef void show_map_vma(arena_t *a, idx_t v, map_vma_t *out) noexcept nogil:
    cdef const vma_t *area = vma_at(a, v)
    cdef const inode_t *inode
    memset(out, 0, sizeof(map_vma_t) - MAP_NAME_BYTES)
    out.start, out.end, out.vm_flags = area.vm_start, area.vm_end, area.vm_flags
    if area.vm_file:
        inode = inode_at(a, file_at(a, area.vm_file).inode)
        out.dev_major, out.dev_minor, out.ino = inode.dev_major, inode.dev_minor, inode.ino
    if area.vm_file or mm_at(a, area.vm_mm).flags & MMF_ANON_OFFSETS:
        out.offset = area.vm_pgoff << a.m.arch.page_shift
    get_vma_name(a, v, out)


cdef bint get_gate_vma(arena_t *a, idx_t mm, map_vma_t *out) noexcept nogil:
    """[vsyscall] or [vectors]."""
    cdef uint32_t how = mm_at(a, mm).flags
    cdef const layout_t *l = layout_of(&a.m.arch, how)
    if not mm_at(a, mm).vdso or not l.gate_start or how & MMF_NO_VSYSCALL:
        return False
    memset(out, 0, sizeof(map_vma_t) - MAP_NAME_BYTES)
    out.start, out.end, out.vm_flags = l.gate_start, l.gate_start + page_size(&a.m.arch), l.gate_flags
    if how & MMF_VSYSCALL_READ:
        out.vm_flags |= VM_READ
    if how & MMF_VSYSCALL_WIDE:
        out.end, out.vm_flags = l.gate_start + WIDE_VSYSCALL, 0
    if how & MMF_VSYSCALL_AS_VDSO:
        put_text(out, "[vdso]")
    else:
        put_text(out, l.gate_name)
    return True


cdef bint vma_is_unnamed(arena_t *a, idx_t v) noexcept nogil:
    cdef const vma_t *area = vma_at(a, v)
    return (area.vm_file == 0 and area.anon_name == 0 and area.kind == VMA_PLAIN and not mm_at(a, area.vm_mm).flags & MMF_ANON_OFFSETS
            and not vma_is_initial_heap(a, v) and not vma_is_initial_stack(a, area))


cdef uint32_t map_word_bytes(arena_t *a, idx_t mm) noexcept nogil:
    if mm and mm_at(a, mm).flags & MMF_NARROW:
        return 4
    return layout_of(&a.m.arch, 0).word_bytes
