"""JSON objects from the text of /proc files: each labelled line becomes a key, by rule.

A label in the kernel's spelling becomes small letters with underscores (`AnonHugePages` is anon_huge_pages); `kB` behind the value makes
it end in `_kb`. RENAMED holds the labels that another command shows under a name of its own: one key for one thing. Because
the text is the source, nothing can stand in the object that the text does not say, whatever kernel's format it has.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

Object = dict[str, Any]

_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

RENAMED = {
    "Name": "comm", "PPid": "ppid", "VmSize": "size", "VmPeak": "peak_size", "VmRSS": "rss", "VmHWM": "peak_rss", "VmLck": "locked",
    "VmPin": "pinned", "VmSwap": "swap", "VmPTE": "page_tables", "VmPMD": "pmd_tables", "THPeligible": "is_thp_eligible",
    "THP_enabled": "is_thp_enabled", "Threads": "nr_threads", "FDSize": "nr_descriptors", "NStgid": "ns_tgid", "NSpid": "ns_pid",
    "NSpgid": "ns_pgid", "NSsid": "ns_sid", "Kthread": "is_kthread", "CoreDumping": "is_core_dumping", "NoNewPrivs": "is_no_new_privs",
    "Seccomp_filters": "nr_seccomp_filters", "voluntary_ctxt_switches": "nr_voluntary_ctxt_switches", "KSM": "ksm",
    "nonvoluntary_ctxt_switches": "nr_nonvoluntary_ctxt_switches", "Seccomp": "seccomp_mode", "Hugetlb": "hugetlb",
    "PageTables": "page_tables", "SecPageTables": "sec_page_tables", "Cpus_allowed_list": "cpus_allowed",
    "Mems_allowed_list": "mems_allowed", "SpeculationIndirectBranch": "speculation_indirect_branch",
}  # fmt: skip


def key_of(label: str) -> str:
    """A label's key, without the suffix of its unit."""
    if label in RENAMED:
        return RENAMED[label]
    label = label.replace("(", "_").replace(")", "").replace("-", "_")
    return _WORD_BORDER.sub("_", label).lower().replace("__", "_")


def labelled(label: str, value: str) -> tuple[str, Any]:
    """(key, value) of one line."""
    key, value = key_of(label), value.strip()
    number, blank, unit = value.partition(" ")
    if unit == "kB" and number.isdigit():
        return key + "_kb", int(number)
    if label in _SPECIAL:
        return _SPECIAL[label](key, value)
    if key.startswith("is_"):
        return key, value != "0"
    if value.isdigit() and not blank:
        return key, int(value)
    return key, value


def _mask(key: str, value: str) -> tuple[str, Any]:
    return key.removesuffix("_mask") + "_mask", f"0x{int(value.replace(',', '').removeprefix('0x'), 16):x}"


def _numbers(key: str, value: str) -> tuple[str, Any]:
    return key, [int(word) for word in value.split()]


def _ranges(key: str, value: str) -> tuple[str, Any]:
    """`0-3,8` as the numbers that it means."""
    spans = [span.partition("-") for span in value.split(",") if span]
    return key, [n for first, _, last in spans for n in range(int(first), int(last or first) + 1)]


def _queued(key: str, value: str) -> tuple[str, Any]:
    return "nr_queued_signals", [int(number) for number in value.split("/")]


def _count(key: str, value: str) -> tuple[str, Any]:
    return "nr_" + key, int(value)


def _text(key: str, value: str) -> tuple[str, Any]:
    return key, value


_SPECIAL: dict[str, Callable[[str, str], tuple[str, Any]]] = {
    **dict.fromkeys(("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "untag_mask",
                     "Cpus_allowed", "Mems_allowed"), _mask),
    **dict.fromkeys(("Uid", "Gid", "Groups", "NStgid", "NSpid", "NSpgid", "NSsid"), _numbers),
    **dict.fromkeys(("Cpus_allowed_list", "Mems_allowed_list"), _ranges),
    **dict.fromkeys(("HugePages_Total", "HugePages_Free", "HugePages_Rsvd", "HugePages_Surp"), _count),
    "SigQ": _queued, "Name": _text, "Umask": _text, "State": lambda key, value: (key, value[:1]),
    "VmFlags": lambda key, value: (key, value.split()),
}  # fmt: skip


def status(text: str) -> Object:
    """A file of `Label:<tab>value` lines."""
    return dict(labelled(label, value) for label, _, value in (line.partition(":") for line in text.split("\n") if line))


meminfo = status


STATM = ("nr_size_pages", "nr_resident_pages", "nr_shared_pages", "nr_text_pages", "nr_lib_pages", "nr_data_pages", "nr_dirty_pages")


def statm(text: str) -> Object:
    return dict(zip(STATM, map(int, text.split()), strict=True))


STAT = (
    "pid comm state ppid pgrp session tty_nr tpgid flags_mask nr_minor_faults nr_child_minor_faults nr_major_faults nr_child_major_faults "
    "nr_user_ticks nr_system_ticks nr_child_user_ticks nr_child_system_ticks priority nice nr_threads nr_itrealvalue start_time size_bytes "
    "nr_rss_pages rsslim_bytes start_code_address end_code_address start_stack_address stack_pointer_address instruction_pointer_address "
    "pending_signals_mask blocked_signals_mask ignored_signals_mask caught_signals_mask is_waiting nr_swap_pages nr_child_swap_pages "
    "exit_signal cpu rt_priority policy nr_blkio_ticks nr_guest_ticks nr_child_guest_ticks start_data_address end_data_address "
    "start_brk_address arg_address arg_end_address env_address env_end_address exit_code"
).split()
"""The fields of /proc/PID/stat, proc_pid_stat(5), in order."""


def stat(text: str) -> Object:
    """The fields of stat; the name may hold blanks and parentheses."""
    pid, _, rest = text.rstrip("\n").partition(" (")
    comm, _, fields = rest.rpartition(") ")
    shown: Object = {"pid": int(pid), "comm": comm}
    for key, word in zip(STAT[2:], fields.split(), strict=False):
        if key.endswith(("_address", "_mask")):
            shown[key] = f"0x{int(word):x}"
        elif key.startswith("is_"):
            shown[key] = word != "0"
        else:
            shown[key] = word if key == "state" else int(word)
    return shown


def area_of(line: str) -> Object | None:
    """A line of maps, or None for another line of smaps."""
    words = line.split(" ", 5)
    first, dash, last = words[0].partition("-")
    if not dash or ":" in words[0] or len(words) < 5:
        return None
    _, perms, offset, dev, inode = words[:5]
    return {"address": f"0x{int(first, 16):x}", "end_address": f"0x{int(last, 16):x}", "perms": perms, "offset_bytes": int(offset, 16),
            "dev": dev, "inode": int(inode), "path": words[5].lstrip(" ") if len(words) > 5 else ""}  # fmt: skip


def smaps(text: str) -> Iterator[Object]:
    """The entries of smaps or smaps_rollup."""
    found: Object | None = None
    for line in text.split("\n"):
        head = area_of(line)
        if head is not None:
            if found is not None:
                yield found
            found = head
        elif found is not None and line:
            label, _, value = line.partition(":")
            key, shown = labelled(label, value)
            found[key] = shown
    if found is not None:
        yield found


def free(figures: dict[str, Any]) -> Object:
    """What free computes, in kB, under meminfo's names where it has one."""
    shown: Object = {}
    names = (("total", "mem_total"), ("used", "mem_used"), ("free", "mem_free"), ("shared", "shmem"), ("buffers", "buffers"),
             ("cache", "cache"), ("available", "mem_available"))  # fmt: skip
    for name, key in names:
        shown[key + "_kb"] = figures[name]
    for name, keys in (("low", ("total", "used", "free")), ("high", ("total", "used", "free")), ("swap", ("total", "used", "free")),
                       ("committed", ("limit", "as", "left"))):  # fmt: skip
        for key, value in zip(keys, figures[name], strict=True):
            shown[f"{'commit' if key == 'limit' else name}_{key}_kb"] = value
    return shown
