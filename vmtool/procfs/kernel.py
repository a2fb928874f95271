"""Files below /proc/sys/kernel that are no parameters here, version, pressure/io, pressure/memory.

Counterparts: Linux v6.18 kernel/utsname_sysctl.c, fs/proc/version.c, kernel/sched/psi.c:psi_show(). Nothing ever waits for memory or
the disk in the machine's time, so the pressure is none.
"""

from vmtool.records import MachineInfo

NAMES = ("cap_last_cap", "domainname", "hostname", "ngroups_max", "osrelease", "ostype", "overflowgid", "overflowuid", "version")
LEVEL = 0
PRESSURE = "".join([f"{which} avg10=0.00 avg60=0.00 avg300=0.00 total=0\n" for which in ("some", "full")])


def osrelease(info: MachineInfo) -> str:
    """What uname -r says."""
    return f"{info.kernel}.{LEVEL}"


def render(info: MachineInfo, name: str) -> str:
    """A file of NAMES."""
    values = {
        "cap_last_cap": "40", "domainname": "(none)", "hostname": "vmtool", "ngroups_max": "65536", "osrelease": osrelease(info),
        "ostype": "Linux", "overflowgid": "65534", "overflowuid": "65534", "version": "#1 SMP",
    }  # fmt: skip
    return values[name] + "\n"
