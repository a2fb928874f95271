"""Declarations: the system calls on address spaces."""

from vmtool.cli.declare import READS, WRITES, Command, arg, option, switch

PID = arg("pid", "PID", "the process")
ADDR = arg("addr", "ADDR", "hexadecimal, or NAME+OFFSET")
LENGTH = arg("length", "SIZE", "bytes")


PKEY = arg("pkey", "INT", "the key")
KEYS = "Only where the processor has protection keys (`init --pku`)."


def pkru_access(values):
    return READS if values["value"] is None else WRITES


def brk_access(values):
    return READS if values["addr"] is None and values["by"] is None else WRITES


COMMANDS = (
    Command(
        "brk", "syscalls:brk",
        (PID, arg("addr", "ADDR", "the new break", optional=True),
         option("--by", "DELTA", "DELTA", "move the break by that many bytes instead")),
        access=brk_access, exclusive=("ADDR --by",),
        help="Move the end of the heap; prints the break.",
        details="No page is mapped by it: the heap's area grows, and the first access of each page faults.",
        example="vmtool brk 1 --by 16K"),
    Command(
        "mmap", "syscalls:mmap",
        (PID, LENGTH,
         option("--addr", "ADDR", "ADDR", "a hint, or with --fixed the address", default=0),
         option("--prot", "PROT", "PROT", "letters of rwx, or none", default=3),
         switch("--shared", "MAP_SHARED"),
         switch("--private", "MAP_PRIVATE, unless told otherwise", name="shared", value=False),
         option("--file", "PATH", "PATH", "map this file"),
         option("--offset", "SIZE", "N", "where in the file", default=0),
         switch("--fixed", "MAP_FIXED"),
         switch("--fixed-noreplace", "MAP_FIXED_NOREPLACE"),
         switch("--populate", "MAP_POPULATE"),
         switch("--locked", "MAP_LOCKED"),
         switch("--noreserve", "MAP_NORESERVE"),
         switch("--growsdown", "MAP_GROWSDOWN"),
         switch("--stack", "MAP_STACK"),
         option("--hugetlb", ("64K", "2M", "4M", "32M", "512M", "1G", "16G"), "SIZE",
                "MAP_HUGETLB with pages of this size, from the pool of vm.nr_hugepages; 4M: i386 without PAE; 64K, 32M, 512M, 16G: arm64")),
        access=WRITES, exclusive=("--shared --private",),
        help="Map memory or a file; prints the address.",
        details="Anonymous, private and rw unless told.",
        example="vmtool mmap 1 64K\n  vmtool mmap 1 16K --prot r --file scene.dat"),
    Command(
        "munmap", "syscalls:munmap", (PID, ADDR, LENGTH),
        access=WRITES, json=False,
        help="Unmap a range.",
        example="vmtool munmap 1 7ffff7fef000 4K"),
    Command(
        "mprotect", "syscalls:mprotect",
        (PID, ADDR, LENGTH, arg("prot", "PROT", "letters of rwx, or none")),
        access=WRITES, json=False,
        help="Change the protection of a range.",
        example="vmtool mprotect 1 heap 4K r"),
    Command(
        "mremap", "syscalls:mremap",
        (PID, ADDR, arg("old", "SIZE", "its length now"), arg("new", "SIZE", "the length it gets"),
         switch("--maymove", "MREMAP_MAYMOVE"),
         option("--fixed", "ADDR", "ADDR", "MREMAP_FIXED, to this address"),
         switch("--dontunmap", "MREMAP_DONTUNMAP")),
        access=WRITES,
        help="Grow, shrink or move a mapping; prints its address.",
        example="vmtool mremap 1 7ffff7fe7000 64K 128K --maymove"),
    Command(
        "madvise", "syscalls:madvise",
        (PID, ADDR, LENGTH, arg("advice", "ADVICE", "a MADV_ name in lower case")),
        access=WRITES, json=False,
        help="Tell the kernel how a range will be used.",
        example="vmtool madvise 1 heap 4K dontneed"),
    Command(
        "mlock", "syscalls:mlock",
        (PID, ADDR, LENGTH, switch("--onfault", "MLOCK_ONFAULT: lock pages as they are faulted in")),
        access=WRITES, json=False,
        help="Lock a range into memory.",
        example="vmtool mlock 1 heap 8K"),
    Command(
        "munlock", "syscalls:munlock", (PID, ADDR, LENGTH),
        access=WRITES, json=False,
        help="Unlock a range.",
        example="vmtool munlock 1 heap 8K"),
    Command(
        "mlockall", "syscalls:mlockall",
        (PID, switch("--current", "MCL_CURRENT"), switch("--future", "MCL_FUTURE"), switch("--onfault", "MCL_ONFAULT")),
        access=WRITES, json=False,
        help="Lock a whole address space.",
        example="vmtool mlockall 1 --current --future"),
    Command(
        "munlockall", "syscalls:munlockall", (PID,),
        access=WRITES, json=False,
        help="Unlock a whole address space.",
        example="vmtool munlockall 1"),
    Command(
        "msync", "syscalls:msync",
        (PID, ADDR, LENGTH, switch("--async", "MS_ASYNC instead of MS_SYNC", name="asynchronous"), switch("--invalidate", "MS_INVALIDATE")),
        access=WRITES, json=False,
        help="Write a shared file mapping's dirty pages back.",
        example="vmtool msync 1 scene.dat 16K"),
    Command(
        "mincore", "syscalls:mincore", (PID, ADDR, LENGTH),
        access=READS,
        help="Print a 1 for each page that is in memory, a 0 for each that is not.",
        example="vmtool mincore 1 heap 16K"),
    Command(
        "mseal", "syscalls:mseal", (PID, ADDR, LENGTH),
        access=WRITES, json=False,
        help="Seal a range: it can no longer be unmapped, moved, or given other rights.",
        example="vmtool mseal 1 heap 4K"),
    Command(
        "pkey-alloc", "syscalls:pkey_alloc",
        (PID, switch("--disable-access", "PKEY_DISABLE_ACCESS: the thread may neither read nor write with it"),
         switch("--disable-write", "PKEY_DISABLE_WRITE: it may read")),
        access=WRITES,
        help="Allocate a protection key; prints its number.",
        details=KEYS + " A machine without keys answers as Linux does: EINVAL, and then ENOSPC.",
        example="vmtool pkey-alloc 1 --disable-write"),
    Command(
        "pkey-free", "syscalls:pkey_free", (PID, PKEY),
        access=WRITES, json=False,
        help="Free a protection key.",
        details="Areas that have it keep it.",
        example="vmtool pkey-free 1 1"),
    Command(
        "pkey-mprotect", "syscalls:pkey_mprotect",
        (PID, ADDR, LENGTH, arg("prot", "PROT", "letters of rwx, or none"),
         arg("pkey", "INT", "a key that pkey-alloc gave; -1: none", dash=True)),
        access=WRITES, json=False,
        help="Change the protection of a range, and give it a protection key.",
        example="vmtool pkey-mprotect 1 heap 4K rw 0"),
    Command(
        "pkru", "syscalls:pkru", (PID, arg("value", "SIZE", "what WRPKRU writes", optional=True)),
        access=pkru_access,
        help="Print a thread's rights to protection keys, or write them (RDPKRU, WRPKRU).",
        details=KEYS + " Bit 2k is access-disable, bit 2k+1 write-disable of key k; a new program has 0x55555554.",
        example="vmtool pkru 1 0x55555550"),
)
