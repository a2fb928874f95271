"""The function of Linux 6.18 that does each step of mm/trace: where a student goes on to read.

Every name but those of INLINED is in /proc/kallsyms of that kernel (tests/views/test_explain.py looks). What the processor does has no
function.
"""

from vmtool.records import TraceRecord

FUNCTIONS = {
    "page_fault": "do_user_addr_fault", "vma_found": "lock_vma_under_rcu", "stack_expand": "expand_stack",
    "frame_alloc": "get_page_from_freelist", "frame_free": "free_unref_folios", "zero_page_map": "do_anonymous_page",
    "anon_map": "do_anonymous_page", "file_map": "set_pte_range", "thp_map": "do_huge_pmd_anonymous_page",
    "thp_split": "__split_huge_pmd", "cow_copy": "wp_page_copy", "cow_reuse": "wp_page_reuse", "write_notify": "do_page_mkwrite",
    "cache_lookup": "filemap_get_entry", "cache_add": "filemap_add_folio", "cache_remove": "__filemap_remove_folio",
    "disk_read": "read_pages", "disk_write": "do_writepages", "copy_to_user": "filemap_read",
    "copy_from_user": "generic_perform_write", "fault_around": "do_fault_around", "pte_set": "set_ptes",
    "pte_clear": "zap_pte_range", "cr3_load": "switch_mm_irqs_off", "vma_new": "mmap_region", "vma_expand": "vma_expand",
    "vma_merge": "vma_merge_new_range", "vma_split": "__split_vma", "vma_remove": "do_vmi_munmap", "brk": "__x64_sys_brk",
    "segv": "force_sig_fault", "bus": "do_sigbus", "fault_done": "handle_mm_fault", "fork": "dup_mmap", "exec": "begin_new_exec",
    "exit": "do_exit",
    "pgtable_free": "free_pgtables",
    "swap_out": "swap_writeout", "swap_in": "do_swap_page", "kswapd_wake": "balance_pgdat", "kswapd_sleep": "kswapd",
    "direct_reclaim": "try_to_free_pages", "shrink_inactive": "shrink_inactive_list", "shrink_active": "shrink_active_list",
    "compact_try": "try_to_compact_pages", "compact_defer": "try_to_compact_pages", "compact_begin": "compact_zone",
    "compact_end": "compact_zone", "migrate": "migrate_pages_batch", "kcompactd_wake": "kcompactd", "highatomic": "get_page_from_freelist",
    "reclaim_keep": "shrink_folio_list", "reclaim_take": "shrink_folio_list", "oom_kill": "oom_kill_process",
}  # fmt: skip
INLINED = ("do_user_addr_fault", "wp_page_copy", "do_fault_around", "do_sigbus", "zap_pte_range", "do_cow_fault",
            "shrink_inactive_list", "compact_zone")
"""Static functions of mm/memory.c, mm/vmscan.c, mm/compaction.c and arch/x86/mm/fault.c that a compiler puts into their callers."""
ELSEWHERE = {"ttbr0_load": "check_and_switch_context", "satp_load": "set_mm_asid"}
"""Of arch/arm64/mm/context.c, arch/arm/mm/context.c, arch/riscv/mm/context.c: the live kernel has them not."""
BY_LEVEL = ("__pte_alloc", "__pmd_alloc", "__pud_alloc")
"""pgtable_alloc, by the level of the table; the top table is pgd_alloc's."""


PF_PROT = 1


def function_of(record: TraceRecord, error_code: int = PF_PROT, arch: str = "x86-64") -> str:
    """The function's name, '' for what the processor does by itself. `error_code`: of the fault that the step belongs to."""
    event, level = record.event, record.args.get("level", 0)
    if event == "page_fault" and not arch.startswith(("x86", "i386")):
        return "handle_page_fault" if arch.startswith("riscv") else "do_page_fault"
    if event == "cow_copy" and not error_code & PF_PROT:
        return "do_cow_fault"
    if event == "pgtable_alloc":
        return BY_LEVEL[level] if 0 <= level < len(BY_LEVEL) else "pgd_alloc"
    return FUNCTIONS.get(event, ELSEWHERE.get(event, ""))
