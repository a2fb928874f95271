"""An independent checker of a /proc: recomputes figures of one file from others, from their text alone.

`read(path)` gives a file's bytes below /proc. Each check gives lines that say what does not hold. The rules are those that hold exactly on
a resting Linux 6.x; what a busy machine or its vendor blurs has a named tolerance, 0 for a simulated one.
"""

import re
import struct

LRU_BATCH_PAGES = 4096
"""Live: pages move between the reads of two files, and per-CPU counters are folded only now and then."""
KB_OF_PAGE = 4
VSYSCALL = 1 << 63


def labelled(text):
    """{label: number} of `Label: 12 kB` lines."""
    return {m[1]: int(m[2]) for m in re.finditer(r"(?m)^([\w()]+):\s+(\d+)(?: kB)?$", text)}


def maps(text):
    """[(start, end, perms, name)]."""
    found = []
    for line in text.splitlines():
        words = line.split(" ", 5)
        start, end = (int(word, 16) for word in words[0].split("-"))
        found.append((start, end, words[1], words[5].strip() if len(words) > 5 else ""))
    return found


def smaps(text):
    """[(header line, {label: kB}, flags)]."""
    found = []
    for line in text.splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            found.append((line, {}, set()))
        elif line.startswith("VmFlags:"):
            found[-1][2].update(line.split()[1:])
        else:
            label, _, value = line.partition(":")
            found[-1][1][label] = int(value.split()[0])
    return found


class Complaints(list):
    def same(self, what, ours, theirs, tolerance=0):
        if abs(ours - theirs) > tolerance:
            self.append(f"{what}: {ours} is not {theirs}")


def check_process(read, pid):
    """maps, smaps, smaps_rollup, status, statm, stat of one process."""
    said = Complaints()
    names = ("maps", "smaps", "smaps_rollup", "status", "statm", "stat")
    texts = {name: read(f"{pid}/{name}").decode("utf-8", "surrogateescape") for name in names}
    areas = smaps(texts["smaps"])
    if [head for head, _, _ in areas] != texts["maps"].splitlines():
        said.append("maps and the heads of smaps differ")
    own = [(fields, flags) for (head, fields, flags) in areas if "[vsyscall]" not in head]
    status, rollup = labelled(texts["status"]), labelled(texts["smaps_rollup"])
    stat = texts["stat"].rpartition(") ")[2].split()
    statm = [int(word) * KB_OF_PAGE for word in texts["statm"].split()]

    def total(label, wanted=lambda flags: True):
        return sum(fields[label] for fields, flags in own if wanted(flags))

    def size(*wanted):
        return total("Size", lambda flags: all(flag[1:] not in flags if flag[0] == "-" else flag in flags for flag in wanted))

    said.same("VmSize, sum of Size", status["VmSize"], total("Size"))
    said.same("VmSize, statm", status["VmSize"], statm[0])
    said.same("VmSize, stat", status["VmSize"] << 10, int(stat[20]))
    said.same("VmRSS, sum of Rss", status["VmRSS"], total("Rss"))
    said.same("VmRSS, its parts", status["VmRSS"], status["RssAnon"] + status["RssFile"] + status["RssShmem"])
    said.same("VmRSS, statm", status["VmRSS"], statm[1])
    said.same("RssFile and RssShmem, statm", status["RssFile"] + status["RssShmem"], statm[2])
    said.same("RssAnon, sum of Anonymous", status["RssAnon"], total("Anonymous"))
    said.same("VmData", status["VmData"], size("wr", "-sh", "-gd"))
    said.same("VmStk", status["VmStk"], size("gd"))
    said.same("VmExe and VmLib", status["VmExe"] + status["VmLib"], size("ex", "-wr", "-gd"))
    said.same("VmLck", status["VmLck"], size("lo"))
    said.same("VmSwap, sum of Swap", status["VmSwap"], total("Swap"))
    said.same("Threads, stat", status["Threads"], int(stat[17]))
    for label in set(rollup) & {"Rss", "Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty", "Referenced", "Anonymous", "Swap"}:
        said.same(f"smaps_rollup's {label}", rollup[label], total(label))
    for label in ("Pss", "Pss_Dirty"):  # each area is cut to kB, the rollup once
        if label in rollup and not 0 <= rollup[label] - total(label) <= len(own):
            said.append(f"smaps_rollup's {label}: {rollup[label]} against {total(label)}")
    if "Pss_Anon" in rollup:
        said.same("Pss, its parts", rollup["Pss"], rollup["Pss_Anon"] + rollup["Pss_File"] + rollup["Pss_Shmem"], 2)
    for head, fields, _ in areas:
        parts = sum(fields[label] for label in ("Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty"))
        said.same(f"Rss and its parts in {head[:30]}", fields["Rss"], parts)
        if fields["Pss"] > fields["Rss"] or fields["Rss"] > fields["Size"]:
            said.append(f"Pss, Rss, Size out of order in {head[:30]}")
    return said


def check_threads(read, pid, tids):
    """What task/ lists of a process, `tids`, against its own files: one address space, the group's count, its faults."""
    said = Complaints()
    def numbers(place):
        return labelled(read(f"{place}/status").decode("utf-8", "surrogateescape")), read(f"{place}/stat").rpartition(b") ")[2].split()

    status, stat = numbers(pid)
    said.same("Threads, task", status["Threads"], len(tids))
    if pid not in tids:
        said.append(f"task lists {tids}, the leader {pid} is not among them")
    faults = [0, 0]
    for tid in tids:
        place = f"{pid}/task/{tid}"
        own, words = numbers(place)
        said.same(f"Pid of {tid}", own["Pid"], tid)
        said.same(f"Tgid of {tid}", own["Tgid"], pid)
        for label in ("Threads", "VmPeak", "VmSize", "VmLck", "VmHWM", "VmRSS", "RssAnon", "VmData", "VmStk", "VmPTE", "VmSwap", "PPid"):
            said.same(f"{label} of {tid}", own[label], status[label])
        said.same(f"num_threads in stat of {tid}", int(words[17]), status["Threads"])
        for name in ("maps", "smaps", "statm", "limits", "cmdline", "oom_score_adj"):
            if read(f"{place}/{name}") != read(f"{pid}/{name}"):
                said.append(f"{name} of {tid} is not the process's")
        faults = [have + int(word) for have, word in zip(faults, (words[7], words[9]), strict=True)]
    for name, of_threads, of_all in zip(("minflt", "majflt"), faults, (stat[7], stat[9]), strict=True):
        if of_threads > int(of_all):  # the rest was of threads that have ended
            said.append(f"{name}: {of_threads} of the threads, {int(of_all)} of the process")
    return said


def check_system(read, tolerance=0):
    """meminfo, vmstat, zoneinfo, buddyinfo, pagetypeinfo, slabinfo. `tolerance`: pages."""
    said = Complaints()
    text = {name: read(name).decode() for name in ("meminfo", "vmstat", "zoneinfo", "buddyinfo", "slabinfo")}
    mem = labelled(text["meminfo"])
    vm = {line.split()[0]: int(line.split()[1]) for line in text["vmstat"].splitlines()}
    kb = tolerance * KB_OF_PAGE
    zones = [int(n) for n in re.findall(r"pages free +(\d+)", text["zoneinfo"])]
    managed = sum(int(n) for n in re.findall(r"managed +(\d+)", text["zoneinfo"]))
    blocks = [[int(n) for n in line.split()[4:]] for line in text["buddyinfo"].splitlines()]
    buddy = sum(count << order for line in blocks for order, count in enumerate(line))
    lazy = mem["MemTotal"] - managed * KB_OF_PAGE if tolerance else 0  # a vendor's kernel takes memory in when it is needed
    said.same("MemFree, nr_free_pages", mem["MemFree"] - lazy, vm["nr_free_pages"] * KB_OF_PAGE, kb)
    said.same("nr_free_pages, zoneinfo", vm["nr_free_pages"], sum(zones), tolerance)
    said.same("nr_free_pages, buddyinfo", vm["nr_free_pages"], buddy, tolerance)
    if not tolerance:
        said.same("MemTotal, managed", mem["MemTotal"], managed * KB_OF_PAGE)
    pairs = (("AnonPages", "nr_anon_pages"), ("Mapped", "nr_mapped"), ("Shmem", "nr_shmem"), ("Dirty", "nr_dirty"), ("Mlocked", "nr_mlock"),
             ("PageTables", "nr_page_table_pages"), ("SReclaimable", "nr_slab_reclaimable"), ("SUnreclaim", "nr_slab_unreclaimable"),
             ("Active(anon)", "nr_active_anon"), ("Inactive(anon)", "nr_inactive_anon"), ("Active(file)", "nr_active_file"),
             ("Inactive(file)", "nr_inactive_file"), ("Unevictable", "nr_unevictable"))  # fmt: skip
    for label, name in pairs:
        said.same(f"{label}, {name}", mem[label], vm[name] * KB_OF_PAGE, kb)
    said.same("nr_file_pages", vm["nr_file_pages"] * KB_OF_PAGE, mem["Buffers"] + mem["Cached"] + mem["SwapCached"], kb)
    said.same("Active", mem["Active"], mem["Active(anon)"] + mem["Active(file)"], kb)
    said.same("Slab", mem["Slab"], mem["SReclaimable"] + mem["SUnreclaim"], kb)
    slabs = sum(int(w[5]) * int(w[-2]) for w in (line.split() for line in text["slabinfo"].splitlines()[2:]))
    if slabs * KB_OF_PAGE > mem["Slab"] + kb:
        said.append(f"slabinfo's {slabs} pages are more than Slab")
    return said


def check_shares(read, pids, outside_pages=0):
    """What the processes share adds up to what the machine counts. `outside_pages`: mapped by others."""
    said = Complaints()
    mem = labelled(read("meminfo").decode())
    rollups = [labelled(read(f"{pid}/smaps_rollup").decode()) for pid in pids]
    said.same("AnonPages, Pss_Anon", mem["AnonPages"], sum(r["Pss_Anon"] for r in rollups), len(pids))
    mapped = sum(r["Pss_File"] + r["Pss_Shmem"] for r in rollups)
    said.same("Mapped, Pss_File and Pss_Shmem", mem["Mapped"], mapped, 2 * len(pids) + outside_pages * KB_OF_PAGE)
    return said


def check_frames(read, piece, pid):
    """pagemap against kpagecount and kpageflags. `piece(path, offset, size)`: bytes of a file of entries."""
    said = Complaints()
    present = 0
    for start, end, _, name in maps(read(f"{pid}/maps").decode("utf-8", "surrogateescape")):
        if start >= VSYSCALL:
            continue
        entries = struct.unpack(f"<{(end - start) >> 12}Q", piece(f"{pid}/pagemap", start >> 12 << 3, (end - start) >> 12 << 3))
        for number, entry in enumerate(entries):
            if not entry >> 63:
                continue
            pfn = entry & (1 << 55) - 1
            (count,), (flags,) = (struct.unpack("<Q", piece(file, pfn << 3, 8)) for file in ("kpagecount", "kpageflags"))
            is_zero = flags >> 24 & 1
            present += not is_zero
            where = f"{name or 'anonymous'} {start + (number << 12):x}"
            if not is_zero and (entry >> 56 & 1) != (count == 1):
                said.append(f"{where}: exclusive is {entry >> 56 & 1}, mapped {count} times")
            if not is_zero and flags >> 12 & 1 == entry >> 61 & 1:
                said.append(f"{where}: anonymous in one file and of a file in the other")
            if flags >> 10 & 1:
                said.append(f"{where}: frame {pfn:x} is free")
    status = labelled(read(f"{pid}/status").decode("utf-8", "surrogateescape"))
    said.same("pages present, VmRSS", present * KB_OF_PAGE, status["VmRSS"])
    return said
