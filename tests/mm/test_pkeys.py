"""Protection keys, mseal(), SMEP and SMAP, without a kernel that could be asked: the answers are those that 6.18.44 gave to a C program."""

import errno

import pytest

from vmtool._core import Machine
from vmtool.errors import KernelError, Signal

RW, X = 3, 4
PAGE = 4096
INIT_PKRU = 0x55555554


def booted(**how):
    m = Machine()
    m.boot(**{"ram_bytes": 64 << 20, **how})
    return m, m.spawn("demo", None, [b"/demo"], [])


@pytest.fixture
def keyed():
    return booted(pku=True)


def refused(call, *args, **kwargs):
    with pytest.raises(KernelError) as failure:
        call(*args, **kwargs)
    return failure.value.errno


def denied(m, pid, addr, access):
    with pytest.raises(Signal) as signal:
        m.touch(pid, addr, 1, access, probe=True)
    return signal.value.code


def test_a_key_stops_data_and_not_instructions_and_pkru_opens_it_at_once(keyed):
    m, pid = keyed
    a = m.mmap(pid, 0, 4 * PAGE, 7, 0x22)
    m.touch(pid, a, 1, "w")
    assert m.pkru(pid) == INIT_PKRU and m.pkey_alloc(pid, 0, 1) == 1
    m.pkey_mprotect(pid, a, PAGE, 7, 1)
    assert denied(m, pid, a, "r") == denied(m, pid, a, "w") == "SEGV_PKUERR"
    m.touch(pid, a, 1, "x")
    for value, reads, writes in ((INIT_PKRU & ~0xC, True, True), (INIT_PKRU & ~0xC | 8, True, False), (INIT_PKRU, False, False)):
        m.pkru(pid, value)  # the TLB has the page, and is not flushed
        for access, goes in (("r", reads), ("w", writes)):
            if goes:
                m.touch(pid, a, 1, access)
            else:
                assert denied(m, pid, a, access) == "SEGV_PKUERR"
    assert m.fsck() == []


def test_keys_run_out_after_fifteen_and_the_lowest_free_one_comes_first(keyed):
    m, pid = keyed
    m.mmap(pid, 0, PAGE, X, 0x22)  # takes a key that nobody is told of
    assert [m.pkey_alloc(pid) for _ in range(14)] == list(range(2, 16))
    assert refused(m.pkey_alloc, pid) == errno.ENOSPC
    assert refused(m.pkey_free, pid, 1) == refused(m.pkey_free, pid, 16) == refused(m.pkey_free, pid, -1) == errno.EINVAL
    m.pkey_free(pid, 7)
    m.pkey_free(pid, 0)
    assert refused(m.pkey_free, pid, 7) == errno.EINVAL
    assert (m.pkey_alloc(pid), m.pkey_alloc(pid)) == (0, 7)
    assert refused(m.pkey_alloc, pid, 1) == refused(m.pkey_alloc, pid, 0, 4) == errno.EINVAL
    assert m.fsck() == []


def test_mprotect_keeps_a_key_but_not_the_execute_only_one(keyed):
    m, pid = keyed
    a = m.mmap(pid, 0, 2 * PAGE, RW, 0x22)
    key = m.pkey_alloc(pid)
    m.pkey_mprotect(pid, a, PAGE, RW, key)
    keys = lambda: [s.protection_key for s in m.smaps(pid) if a <= s.vma.start < a + 2 * PAGE]  # noqa: E731
    for prot, expected in ((1, [1, 0]), (0, [1, 0]), (X, [2, 0]), (RW, [0])):  # the last one merges the two again
        m.mprotect(pid, a, PAGE, prot)
        assert keys() == expected


def test_a_fork_and_a_thread_have_the_rights_and_then_their_own(keyed):
    m, pid = keyed
    m.pkru(pid, 0x55555550)
    child, thread = m.fork(pid), m.clone(pid)
    assert m.pkru(child) == m.pkru(thread) == 0x55555550
    m.pkru(thread, INIT_PKRU)
    assert (m.pkru(pid), m.pkru(thread)) == (0x55555550, INIT_PKRU)
    a = m.mmap(pid, 0, PAGE, RW, 0x22)
    m.pkey_mprotect(pid, a, PAGE, RW, m.pkey_alloc(pid))
    m.touch(pid, a, 1, "w")
    assert denied(m, thread, a, "r") == "SEGV_PKUERR"
    assert m.pkey_alloc(child) == 1  # the map was copied before
    m.exec(child, "demo", None, [b"/demo"], [])
    assert m.pkru(child) == INIT_PKRU and m.pkey_alloc(child) == 1
    assert m.fsck() == []


def test_a_huge_page_has_its_key_in_its_entry():
    m, pid = booted(pku=True, ram_bytes=1 << 30)
    a = m.mmap(pid, 0, 4 << 20, RW, 0x22)
    a = (a + (2 << 20) - 1) & -(2 << 20)
    m.madvise(pid, a, 2 << 20, 14)
    m.touch(pid, a, 1, "w")
    m.pkey_mprotect(pid, a, 2 << 20, RW, m.pkey_alloc(pid, 0, 1))
    assert "PKEY=1" in m.walk(pid, a).steps[-1].flags and m.walk(pid, a).error == 0x25
    assert denied(m, pid, a + (1 << 20), "w") == "SEGV_PKUERR"
    m.mprotect(pid, a, PAGE, 1)  # which splits it
    assert m.walk(pid, a + PAGE).steps[-1].level == "pte" and "PKEY=1" in m.walk(pid, a + PAGE).steps[-1].flags
    assert m.fsck() == []


def test_the_kernels_own_reading_for_another_does_not_ask(keyed):
    m, pid = keyed
    a = m.mmap(pid, 0, 2 * PAGE, RW, 0x22)
    m.store(pid, a, b"secret")
    m.pkey_mprotect(pid, a, 2 * PAGE, RW, m.pkey_alloc(pid, 0, 1))
    assert m.read_mem(pid, a, 6) == b"secret"
    assert refused(m.mlock, pid, a + PAGE, PAGE) == errno.ENOMEM
    assert refused(m.madvise, pid, a + PAGE, PAGE, 22) == errno.EINVAL


def test_without_keys_linux_has_one_to_give_and_no_rights_to_it():
    m, pid = booted()
    assert refused(m.pkey_alloc, pid) == errno.EINVAL
    assert refused(m.pkey_alloc, pid) == errno.ENOSPC  # it is in the map now, and, being the execute-only key, too, not freed
    a = m.mmap(pid, 0, PAGE, X, 0x22)
    m.touch(pid, a, 1, "r")
    assert refused(m.pkru, pid) == errno.EOPNOTSUPP
    assert m.smaps(pid)[0].protection_key is None and m.fsck() == []
    m.pkey_mprotect(pid, a, PAGE, RW, -1)


@pytest.mark.parametrize("arch", ["i386", "i386-pae", "arm", "arm64"])
def test_other_processors_have_none(arch):
    with pytest.raises(KernelError, match="--pku"):
        Machine().boot(ram_bytes=256 << 20, arch=arch, pku=True)


def test_five_levels_have_them_too():
    m, pid = booted(arch="x86-64-la57", pku=True)
    a = m.mmap(pid, 0, PAGE, X, 0x22)
    assert denied(m, pid, a, "r") == "SEGV_PKUERR"


def test_the_machine_is_the_same_after_it_was_saved(keyed):
    m, pid = keyed
    a = m.mmap(pid, 0, PAGE, X, 0x22)
    chunks = {key: bytes(m.chunk(*key)) for key in m.dirty()}
    again = Machine(lambda pool, chunk: chunks.get((pool, chunk)), m.header())
    assert again.info().pku and denied(again, pid, a, "r") == "SEGV_PKUERR"


def test_a_sealed_area_stays():
    m, pid = booted()
    a = m.mmap(pid, 0, 4 * PAGE, RW, 0x22)
    m.mseal(pid, a + PAGE, PAGE)
    m.mseal(pid, a + PAGE, PAGE)
    assert [v.flags >> 42 & 1 for v in m.maps(pid) if a <= v.start < a + 4 * PAGE] == [0, 1, 0]
    for call, args in ((m.munmap, (a, 4 * PAGE)), (m.mprotect, (a + PAGE, PAGE, RW)), (m.mremap, (a + PAGE, PAGE, 2 * PAGE, 1)),
                       (m.mmap, (a + PAGE, PAGE, RW, 0x32))):
        assert refused(call, pid, *args) == errno.EPERM
    m.madvise(pid, a + PAGE, PAGE, 4)  # what it may write it may throw away
    assert refused(m.mseal, pid, a, 4 * PAGE, 1) == refused(m.mseal, pid, a + 1, PAGE) == errno.EINVAL
    assert refused(m.mseal, pid, a, 64 << 20) == errno.ENOMEM
    assert len([v for v in m.maps(pid) if a <= v.start < a + 4 * PAGE]) == 3 and m.fsck() == []


def test_discarding_what_is_sealed_and_read_only_is_refused():
    m, pid = booted()
    a = m.mmap(pid, 0, PAGE, 1, 0x22)
    m.mseal(pid, a, PAGE)
    for advice in (4, 8, 10, 18, 24, 102):
        assert refused(m.madvise, pid, a, PAGE, advice) == errno.EPERM
    m.madvise(pid, a, PAGE, 16)


def test_a_kernel_of_32_bits_has_no_mseal():
    m, pid = booted(arch="i386")
    assert refused(m.mseal, pid, m.mmap(pid, 0, PAGE, RW, 0x22), PAGE) == errno.ENOSYS


def test_smep_and_smap_in_the_kernels_own_accesses(keyed):
    m, pid = keyed
    a = m.mmap(pid, 0, PAGE, 7, 0x22)
    m.touch(pid, a, 1, "w")
    look = lambda access, **how: m.translate_supervisor(pid, a, access, **how)[1]  # noqa: E731
    assert (look("r"), look("w"), look("x")) == (1, 3, 0x11)
    assert (look("r", ac=True), look("w", ac=True), look("x", ac=True)) == (0, 0, 0x11)
    m.pkey_mprotect(pid, a, PAGE, 7, m.pkey_alloc(pid, 0, 2))
    assert (look("r", ac=True), look("w", ac=True)) == (0, 0x23)  # CR0.WP is set: a write-disabled key holds for the kernel, too
    text = m.translate_supervisor(pid, 0xFFFFFFFF81000000, "x")
    assert text[1] == 0 and m.translate_supervisor(pid, 0xFFFFFFFF81000000, "w")[1] == 3
    assert m.translate_supervisor(pid, 1 << 60) == (None, None)
    assert m.translate_supervisor(pid, 0x10) == (None, 0)
