"""Who inherited a frame from whom, among the processes that come together.

A private page that several processes map was made by one of them, or by one from which all of them come, before it forked; it is on
its maker's anon_vma, and that is what each of them must know. Who is not among them leaves no trace: then the eldest child stands for him.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmtool.outside.importer import Process


class Lineage:
    """By number, in the order of import. `parent`: who forked each, None: nobody who came before it. `elder`: he, or the eldest sibling."""

    def __init__(self, processes: "list[Process]") -> None:
        self.parent: list[int | None] = []
        self.elder: list[int | None] = []
        self.owners: dict[int, int] = {}  # frame -> bits of the numbers of those that map it
        self._common: dict[int, int | None] = {}
        numbers: dict[int, int] = {}
        eldest: dict[int, int] = {}
        for number, process in enumerate(processes):
            forked_by = process.parent
            self.parent.append(numbers.get(forked_by) if forked_by else None)
            self.elder.append(numbers.get(forked_by, eldest.get(forked_by)) if forked_by else None)
            if process.source.pid:
                numbers.setdefault(process.source.pid, number)
            eldest.setdefault(forked_by, number)
            for run in (run for runs in process.runs for run in runs if run.pfn and len(processes) > 1):
                for pfn in range(run.pfn, run.pfn + run.nr):
                    self.owners[pfn] = self.owners.get(pfn, 0) | 1 << number

    def ancestor(self, pfn: int, number: int) -> int | None:
        """From whom this process has the frame, that is there already; None when it may as well be its own."""
        owners = self.owners.get(pfn, 0)
        if owners not in self._common:
            self._common[owners] = self._common_elder(owners)
        found = self._common[owners]
        return found if found is not None and found < number else None

    def _common_elder(self, owners: int) -> int | None:
        common: list[int] | None = None
        for number in range(len(self.elder)):
            if owners >> number & 1:
                line = self._line(number)
                common = line if common is None else [each for each in common if each in line]
        return common[0] if common else None

    def _line(self, number: int) -> list[int]:
        """The process, its elder, the elder's elder …; an elder always has a lower number."""
        line = [number]
        while (elder := self.elder[line[-1]]) is not None:
            line.append(elder)
        return line
