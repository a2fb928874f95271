"""cpuinfo: a block a processor, in the words of its architecture.

Counterparts: Linux v6.18 arch/x86/kernel/cpu/proc.c, arch/arm/kernel/setup.c, arch/arm64/kernel/cpuinfo.c, arch/riscv/kernel/cpu.c.

x86's names what the page tables have (pse, pge, pat, nx, pcid, la57); other features of a processor are not modelled and not named. The
others' are those of the processor whose marks in page tables are modelled, as Debian's kernels showed them under QEMU: cortex-a15,
cortex-a72, neoverse-n1, rv64.
"""

from vmtool.records import MachineInfo

CORTEX_A15 = """model name\t: ARMv7 Processor rev 0 (v7l)
BogoMIPS\t: 125.00
Features\t: half thumb fastmult vfp edsp thumbee neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm \nCPU implementer\t: 0x41
CPU architecture: 7
CPU variant\t: 0x4
CPU part\t: 0xc0f
CPU revision\t: 0
"""
BOARD = "Hardware\t: Generic DT based system\nRevision\t: 0000\nSerial\t\t: 0000000000000000\n"
CORTEX_A72 = """BogoMIPS\t: 125.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3
"""
NEOVERSE_N1 = """BogoMIPS\t: 125.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x4
CPU part\t: 0xd0c
CPU revision\t: 1
"""
RV64 = "rv64imafdch_zicntr_zicsr_zifencei_zihintpause_zihpm_zca_zcd_zba_zbb_zbc_zbs_sstc"
ARM = {"arm": CORTEX_A15, "arm64": CORTEX_A72, "arm64-16k": NEOVERSE_N1, "arm64-64k": NEOVERSE_N1}
RISCV = {"riscv64-sv39": "sv39", "riscv64": "sv48", "riscv64-sv57": "sv57"}


def render(info: MachineInfo) -> str:
    if info.arch in ARM:
        blocks = "".join([f"processor\t: {cpu}\n{ARM[info.arch]}\n" for cpu in range(info.nr_cpus)])
        return blocks + (BOARD if info.arch == "arm" else "")
    if info.arch in RISCV:
        return "".join([_riscv(cpu, RISCV[info.arch]) for cpu in range(info.nr_cpus)])
    return "".join([_x86(cpu, info) for cpu in range(info.nr_cpus)])


def _riscv(cpu: int, mmu: str) -> str:
    return (f"processor\t: {cpu}\nhart\t\t: {cpu}\nisa\t\t: {RV64}\nmmu\t\t: {mmu}\nmvendorid\t: 0x0\nmarchid\t\t: 0x70216\n"
            f"mimpid\t\t: 0x70216\nhart isa\t: {RV64}\n\n")


def _x86(cpu: int, info: MachineInfo) -> str:
    is_wide = info.arch.startswith("x86-64")
    flags = ["fpu", "pse", "msr", "pae", "pge", "pat", *["lm"] * is_wide, "nx", *["pcid"] * info.pcid, *["la57"] * (info.levels == 5)]
    flags += ["pku", "ospke"] * info.pku
    sizes = (46, 57 if info.levels == 5 else 48) if is_wide else (36, 32)
    return (f"processor\t: {cpu}\nvendor_id\t: vmtool\nmodel name\t: {info.arch}\ncache_alignment\t: 64\nflags\t\t: {' '.join(flags)}\n"
            f"address sizes\t: {sizes[0]} bits physical, {sizes[1]} bits virtual\n\n")
