"""init says which value is wrong and what is possible; help promises what acts."""

import pytest

from vmtool.cli import click_app
from vmtool.errors import KernelError

BOTH = ("i386", "i386-pae", "arm", "arm64", "arm64-16k", "arm64-64k", "riscv64", "riscv64-sv39", "riscv64-sv57", "x86-64", "x86-64-la57")
REAL = pytest.mark.parametrize("on", ["real_state"], indirect=True)


@REAL
@pytest.mark.parametrize("arch", BOTH)
def test_an_architecture_boots_or_is_said_not_to_be_modelled(vmtool, arch):
    from vmtool._core import Machine
    said = ""
    try:
        Machine().boot(ram_bytes=1 << 30, arch=arch)
    except KernelError:
        said = f"vmtool: init: EINVAL (Invalid argument): --arch: {arch} is not modelled yet\n"
    ran = vmtool(f"init --arch {arch}")
    assert (ran.status, ran.err) == (1 if said else 0, said)


@REAL
def test_import_says_as_much_of_its_ram(vmtool, real_state, tmp_path):
    (tmp_path / "maps").write_text("00400000-00401000 r-xp 00000000 08:01 7    /bin/a\n")
    ran = vmtool("import", "--ram", "3M", str(tmp_path / "maps"))
    assert ran.status == 1 and not real_state.exists()
    assert ran.err == ("vmtool: import: EINVAL (Invalid argument): --ram: 3145728 bytes are not possible with x86-64, "
                       "from 16M to 16772863M are\n")


@REAL
@pytest.mark.parametrize("line, said", [
    ("init --ram 1", "--ram: 1 bytes are not possible with x86-64, from 16M to 16772863M are"),
    ("init --ram 512T", "from 16M to"),
    ("init --tlb nonsense", "--tlb: 'nonsense' is not skylake, icelake, zen2, zen4, cortex-a72, neoverse-n1, none, or a list"),
    ("init --tlb l1d=3x2", "ENTRIES / WAYS is a number up to 4096"), ("init --cpus 0", "--cpus: 0 is not within 1 to 64"),
    ("init --kernel 2.0", "--kernel: '2.0' is not one of"),
    ("init --read-ahead 5T", "queue/read_ahead_kb=5368709120"),
    ("init --kpti --arch i386", "--kpti: not with i386, with x86-64 and x86-64-la57"),
    ("init --soft-dirty --arch i386", "--soft-dirty: not with i386, with x86-64 and x86-64-la57"),
    ("init --soft-dirty --kernel 3.10", "--soft-dirty: not with 3.10, Linux has it since 3.11"),
    ("init --arch vax", "--arch: 'vax' is not one of x86-64, ")])
def test_the_wrong_value_is_named_and_what_is_possible(vmtool, real_state, line, said):
    ran = vmtool(line)
    assert ran.status in (1, 2)
    assert (ran.out, ran.err.count("\n")) == ("", 1)
    assert said in ran.err
    assert not real_state.exists()


@REAL
def test_the_disk_reads_ahead_what_is_told(vmtool, real_state):
    assert vmtool("init --read-ahead 8M").status == 0
    assert vmtool("sysctl queue/read_ahead_kb").out == "queue/read_ahead_kb = 8192\n"
    assert vmtool("mkfile big 32M").status == vmtool("spawn").status == vmtool("drop-caches 1").status == 0
    vmtool("mmap 1 32M --shared --file big --addr 10000000000 --fixed")
    assert vmtool("touch 1 10000000000 2M").out == "minor=511 major=1\n"


@REAL
@pytest.mark.parametrize("ram", ["16M", "20M", "1T", "16772863M"])
def test_the_limits_of_ram_are_those_that_are_told(vmtool, ram):
    assert vmtool(f"init --ram {ram}").status == 0


def test_what_is_modelled_is_in_the_help():
    assert "--kpti" in click_app.read(["init", "--help"])
    assert "--hugetlb" in click_app.read(["mmap", "--help"])


@pytest.mark.parametrize("line, meant", [
    ("toch 1 heap", "touch"), ("mmap 1 4K --shred", "--shared"), ("madvise 1 heap 4K dontned", "dontneed"), ("kill 1 -KIL", "KILL"),
    ("what-if frk 1", "fork")])
def test_did_you_mean(vmtool, line, meant):
    vmtool("spawn")
    ran = vmtool(line)
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert f"(did you mean {meant}" in ran.err


def test_did_you_mean_a_kernel_parameter(vmtool):
    vmtool("spawn")
    for line in ("sysctl vm.swapiness", "sysctl vm.swapiness=1"):
        assert vmtool(line) == (1, "", "vmtool: sysctl: ENOENT (No such file or directory): vm.swapiness (did you mean vm.swappiness?)\n")


def test_did_you_mean_in_a_script(script):
    assert "no such command (did you mean touch" in script("toch 1 heap\n").err


@REAL
def test_what_can_only_be_written_is_written(vmtool, real_state):
    """procps: the value as it was given, exit status 0; it is passed over where it is asked for."""
    assert vmtool("init").status == 0
    ran = vmtool("sysctl vm.drop_caches=1 vm.compact_memory=1")
    assert (ran.status, ran.out) == (0, "vm.drop_caches = 1\nvm.compact_memory = 1\n")
    ran = vmtool("sysctl vm.drop_caches")
    assert (ran.status, ran.out, ran.err) == (0, "", "")


@REAL
@pytest.mark.parametrize("words, said", [
    ("memory.max 8X", "EINVAL (Invalid argument): memory.max: '8X' is not a number"), ("memory.high 9" + 30 * "9", "EINVAL"),
    ("memory.oom.group x", "EINVAL"), ("memory.oom.group 2", "EINVAL"), ("memory.current 1", "EACCES"), ("memory.nothing 1", "ENOENT")])
def test_what_a_group_does_not_take(vmtool, real_state, words, said):
    """As where it is written to the file below /sys/fs/cgroup."""
    assert vmtool("init").status == vmtool("cgroup create g").status == 0
    ran = vmtool(f"cgroup set g {words}")
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert said in ran.err
