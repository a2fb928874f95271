"""ASIDs: what the TLB of arm64 and arm holds of several address spaces at once, and how Linux gives the numbers out.

The rules are arch/arm64/mm/context.c's and arch/arm/mm/context.c's (Linux 6.18); the logs of Debian's kernels say "65536 entries" on a
Cortex-A72: the processor needs no KPTI, so there are no pairs. The traces are worked out by hand. The TLB itself against the plain
model: test_tlb_model_asid.py.
"""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from vmtool.mm._probe_tlb import TlbProbe  # noqa: E402

PAGE = 4096


def probe(arch="arm64", tlb="asid=8,l1d=4x4", **boot):
    p = TlbProbe()
    assert p.boot(256 << 20, arch=arch, tlb=tlb, **boot) == 0
    return p


def test_the_first_generation_of_arm64_gives_out_even_numbers():
    """While it boots the kernel does not know whether it will need pairs for KPTI, so the odd ones are reserved: 2, 4, 6, and again."""
    p = probe(tlb="cortex-a72")
    spaces = [p.new_space() for _ in range(3)]
    assert [p.switch(mm) for mm in spaces] == [(1, 2), (1, 4), (1, 6)]
    assert p.switch(spaces[0]) == (1, 2)


def test_arm_gives_out_all_but_0():
    p = probe("arm", tlb="l1d=4x4")
    assert [p.switch(p.new_space()) for _ in range(3)] == [(1, 1), (1, 2), (1, 3)]


def test_a_rollover_keeps_what_runs_and_flushes_each_cpu_before_its_next_space():
    """8 bits. Spaces 1 to 127 get 2, 4 .. 254 on CPU 0. CPU 1 runs space 5 (ASID 10) all the while.

    space 128 on CPU 0   none is free: generation 2. CPU 0 ran space 127 (254) until now, CPU 1 space 5 (10): these two stay given out.
                         The lowest free one is 1. CPU 0 flushes all.
    space 1              had 2, nobody took it yet: 2 again
    space 127            its 254 was reserved: 254 again
    space 129            looks on from 1: 2 is space 1's, so 3
    space 5 on CPU 1     it still runs it; asked for anew it keeps 10, and CPU 1 flushes what it held of generation 1
    """
    p = probe(nr_cpus=2)
    spaces = [0] + [p.new_space() for _ in range(129)]
    for number in range(1, 128):
        assert p.switch(spaces[number]) == (1, 2 * number)
    assert p.switch(spaces[5], cpu=1) == (1, 10)
    flushes = p.tlb_stats()["flushes_all"]
    assert p.switch(spaces[128]) == (2, 1)
    assert p.tlb_stats()["flushes_all"] == flushes + 1
    assert [p.switch(spaces[n]) for n in (1, 127, 129)] == [(2, 2), (2, 254), (2, 3)]
    assert p.tlb_stats()["flushes_all"] == flushes + 1
    p.set_cpu(1)
    before = p.tlb_stats()["flushes_all"]
    assert p.switch(spaces[5], cpu=1) == (2, 10)
    assert p.tlb_stats()["flushes_all"] == before + 1
    assert p.switch(spaces[1], cpu=1) == (2, 2)
    assert p.tlb_stats()["flushes_all"] == before + 1


def test_a_second_rollover_still_knows_what_a_cpu_has_run_since_before_the_first():
    """arm: 255 ASIDs. CPU 1 runs space A (ASID 1) and switches no more; CPU 0 uses up two generations. A's 1 is nobody else's in either."""
    p = probe("arm", tlb="l1d=4x4", nr_cpus=2)
    old = p.new_space()
    assert p.switch(old, cpu=1) == (1, 1)
    given = [p.switch(p.new_space()) for _ in range(254 + 253 + 1)]
    # 1: 2 .. 255. 2: 1 is A's, 255 CPU 0 ran: 2 .. 254. 3: the lowest but A's
    assert given[253] == (1, 255) and given[254] == (2, 2) and given[506] == (2, 254) and given[507] == (3, 2)
    assert all(asid != 1 for _, asid in given)
    assert p.switch(old, cpu=1) == (3, 1)


def test_a_number_that_another_took_meanwhile_is_gone():
    """arm: after the rollover a new space takes 1, so the space that had it gets the next."""
    p = probe("arm", tlb="l1d=4x4")
    first = p.new_space()
    assert p.switch(first) == (1, 1)
    for _ in range(254):
        p.switch(p.new_space())
    assert p.switch(p.new_space()) == (2, 1)
    assert p.switch(first) == (2, 2)


@pytest.mark.parametrize("arch, tlb, page, nr, by_page", [
    ("arm64", "cortex-a72", 12, 511, True), ("arm64", "cortex-a72", 12, 512, False),  # MAX_DVM_OPS: the entries of a table
    ("arm64-16k", "neoverse-n1", 14, 2047, True), ("arm64-16k", "neoverse-n1", 14, 2048, False),
    ("arm64", "tlbirange,l1d=4x4", 12, 5000, True), ("arm", "l1d=4x4", 12, 5000, True)])
def test_a_long_range_is_flushed_by_its_asid(arch, tlb, page, nr, by_page):
    p = probe(arch, tlb)
    mm = p.new_space()
    p.switch(mm)
    before = p.tlb_stats()
    p.flush_space(mm, 0x400000, 0x400000 + (nr << page))
    after = p.tlb_stats()
    assert after["flushes_page"] - before["flushes_page"] == (nr if by_page else 0)
    assert after["flushes_all"] - before["flushes_all"] == (not by_page)


@pytest.fixture(params=["arm64", "arm64-16k", "arm64-64k", "arm", "riscv64", "riscv64-sv39", "riscv64-sv57"])
def machine(request):
    machine = core.Machine()
    machine.boot(ram_bytes=512 << 20, arch=request.param, nr_cpus=2)
    yield machine
    assert machine.fsck() == []


def spawned(machine, name, pages=8):
    pid = machine.spawn(name, None, [name.encode()], [])
    at = machine.mmap(pid, 0, pages << machine.info().page_shift, 3, 0x22)
    machine.touch(pid, at, pages << machine.info().page_shift, "w")
    return pid, at


def stats(machine, *names, cpu=0):
    return tuple(getattr(machine.tlb_stats()[cpu], name) for name in names)


def test_a_switch_flushes_nothing(machine):
    """a, b, then a again: its pages are still there, and b's are too, at the same addresses."""
    (a, at), (b, _) = spawned(machine, "a"), spawned(machine, "b")
    size = 8 << machine.info().page_shift
    machine.touch(a, at, size, "r")
    machine.touch(b, at, size, "r")
    before, flushes = stats(machine, "misses"), stats(machine, "flushes_all", "flushes_page")
    machine.touch(a, at, size, "r")
    machine.touch(b, at, size, "r")
    assert stats(machine, "misses") == before
    assert stats(machine, "flushes_all", "flushes_page") == flushes
    assert len({entry.pcid for entry in machine.tlb()}) == 2


def test_a_flush_reaches_every_cpu_and_interrupts_none(machine):
    if machine.info().arch.startswith("riscv"):
        pytest.skip("riscv64's flushes are interrupts: test_riscv.py")
    (a, at), _ = spawned(machine, "a"), spawned(machine, "b")
    size = 1 << machine.info().page_shift
    pages = stats(machine, "flushes_page", cpu=1)[0]
    machine.munmap(a, at, size)
    assert stats(machine, "flushes_page", cpu=1)[0] == pages + 1
    assert stats(machine, "shootdowns", cpu=1) == (0,)


def test_a_space_that_ends_leaves_nothing(machine):
    (a, _), (b, _) = spawned(machine, "a"), spawned(machine, "b")
    of_b = {entry.pcid for entry in machine.tlb() if entry.age == max(e.age for e in machine.tlb())}
    machine.exit(a)
    assert {entry.pcid for entry in machine.tlb()} <= of_b
    machine.exit(b)
    assert machine.tlb() == []


def test_fork_takes_the_parents_rights_back(machine):
    a, at = spawned(machine, "a")
    child = machine.fork(a)
    machine.touch(a, at, 1, "w")
    machine.touch(child, at, 1, "w")
    machine.store(a, at, b"a")
    assert machine.load(child, at, 1) == b"\0"


def test_more_spaces_than_numbers(machine):
    """arm: 300 processes take turns, and each sees its own page."""
    first, at = spawned(machine, "a", 1)
    pids = [first] + [machine.fork(first) for _ in range(299)]
    for pid in pids:
        machine.store(pid, at, pid.to_bytes(2, "little"))
    for pid in pids:
        assert machine.load(pid, at, 2) == pid.to_bytes(2, "little")
        machine.touch(pid, at, 1, "r")


def test_on_x86_the_other_cpu_that_has_the_space_is_interrupted():
    machine = core.Machine()
    machine.boot(ram_bytes=256 << 20, nr_cpus=2)
    a, at = spawned(machine, "a")
    machine.switch(a, 1)
    machine.munmap(a, at, PAGE)
    assert sorted(cpu.shootdowns for cpu in machine.tlb_stats()) == [0, 1]


@pytest.mark.parametrize("arch, spec", [("x86-64", "asid=8,l1d=4x4"), ("arm", "tlbirange,l1d=4x4"), ("arm64", "asid=9,l1d=4x4"),
                                        ("arm64", "l1d=4x4:4K+"), ("arm64", "l1d=4x4:5K"), ("arm64", "l1d2m=4x4:2M")])
def test_what_cannot_be_is_refused(arch, spec):
    assert TlbProbe().boot(64 << 20, arch=arch, tlb=spec) == -22


CASES = {"asid": "address space 2 has ASID 2, which another has, too, or nobody was given"}


def test_fsck_sees_a_number_that_two_have():
    machine = core.Machine()
    machine.boot(ram_bytes=256 << 20, arch="arm64")
    spawned(machine, "a"), spawned(machine, "b")
    assert machine.fsck() == []
    machine.poke("mm", 2, "context_id", machine.peek("mm", 1, "context_id"))
    assert f"asid: {CASES['asid']}" in machine.fsck()
