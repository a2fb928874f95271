"""The machine."""

from vmtool import records as r

class TheMachine:
    def boot(self, *, ram_bytes: int, arch: str = "x86-64", kernel: str = "6.18", nr_cpus: int = 1, swap_bytes: int = 0,
             tlb: str = "", pcid: bool = False, kpti: bool = False, pku: bool = False, soft_dirty: bool = False,
             sysroot: str = "", aslr_seed: int | None = None) -> None:
        """Make a machine. `soft_dirty`: CONFIG_MEM_SOFT_DIRTY, as from 4.4 to 6.12 anyhow. KernelError(EINVAL) with a detail: cannot be."""

    def info(self) -> r.MachineInfo: ...
    def _repr_svg_(self) -> str:
        """Its picture, as a notebook shows it: vmtool/face."""

    def _repr_html_(self) -> str: ...
    def tick(self) -> int:
        """Advance the logical clock by one operation; returns it. The CLI calls it once a command that changes something."""

    def sysctl(self, name: str) -> str:
        """KernelError(ENOENT) for an unknown name."""

    def set_sysctl(self, name: str, value: str) -> None: ...
    def sysctl_names(self) -> list[str]: ...
    def thp_disable(self, pid: int) -> int: ...  # prctl(PR_GET_THP_DISABLE), and PR_SET_THP_DISABLE
    def set_thp_disable(self, pid: int, disable: bool, flags: int = 0) -> None: ...
    def thp_sizes(self) -> list[int]: ...  # in kB, of huge pages of anonymous memory
    def mthp_stats(self, size_kb: int) -> dict[str, int]: ...  # of one size; KernelError(ENOENT)
