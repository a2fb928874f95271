"""Looking at the machine (this changes nothing)."""

from vmtool import records as r

class LooksAtTheMachine:
    def tlb(self, cpu: int | None = None) -> list[r.TlbEntry]: ...
    def tlb_stats(self) -> list[r.TlbStats]: ...
    def meminfo(self) -> dict[str, int]:
        """Labels of /proc/meminfo in its order; kB, but pages for HugePages_*."""

    def vmstat(self) -> dict[str, int]:
        """Names of /proc/vmstat in its order."""

    def zones(self) -> list[r.ZoneInfo]: ...
    def fragmentation(self) -> list[r.Fragmentation]:
        """/sys/kernel/debug/extfrag, a record for each zone that has memory."""
    def node_stats(self) -> dict[str, int]:
        """per-node counters, in zoneinfo's order."""

    def fsck(self) -> list[str]:
        """One line a broken invariant; empty when all hold."""

    def fsck_names(self) -> list[str]: ...
