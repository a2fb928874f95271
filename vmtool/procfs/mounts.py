"""filesystems, PID/mounts, mountinfo, partitions, diskstats: the machine's one disk, and /proc.

Counterparts: Linux v6.18 fs/filesystems.c, fs/proc_namespace.c:show_vfsmnt(), show_mountinfo(), block/genhd.c:show_partition(),
diskstats_show(). Files lie on an ext4 of /dev/sda1 (8:1), shared anonymous memory on a tmpfs that nobody mounts.

Not modelled: how large the disk is (partitions shows the blocks that files occupy), how many requests there were and how long they took (0
in diskstats; the sectors are vmstat's pgpgin and pgpgout).
"""

from collections.abc import Iterable, Mapping

from vmtool.procfs.releases import CURRENT, rows_of, v
from vmtool.records import FileInfo

FILESYSTEMS = "nodev\ttmpfs\nnodev\tproc\nnodev\thugetlbfs\n\text4\n"
MOUNTS = "/dev/sda1 / ext4 rw,relatime 0 0\nproc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n"
MOUNTINFO = "20 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n21 20 0:19 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n"
DISK = (8, 0, "sda")
PARTITION = (8, 1, "sda1")
SECTORS_OF_KB = 2
NR_FIELDS = ((11, 0, v(4, 18)), (15, v(4, 18), v(5, 5)), (17, v(5, 5), 1 << 30))
"""How many figures a disk has: with 4.18 came discards, with 5.5 flushes."""


def render_partitions(files: Iterable[FileInfo], page_shift: int) -> str:
    """Sizes in blocks of 1 KiB."""
    blocks = sum(file.disk_blocks for file in files) << page_shift - 10
    lines = [f"{major:4}  {minor:7} {blocks:10} {name}\n" for major, minor, name in (DISK, PARTITION)]
    return "major minor  #blocks  name\n\n" + "".join(lines)


def render_diskstats(vmstat: Mapping[str, int], release: int = CURRENT) -> str:
    """A line for the disk, one for its partition."""
    figures = [0] * rows_of(NR_FIELDS, release)[0][0]
    figures[2] = vmstat["pgpgin"] * SECTORS_OF_KB
    figures[6] = vmstat["pgpgout"] * SECTORS_OF_KB
    words = " ".join([str(figure) for figure in figures])
    return "".join([f"{major:4} {minor:7} {name} {words}\n" for major, minor, name in (DISK, PARTITION)])
