"""What commands print of machines with pages of 16K and 64K, against /proc of the same machine and the rules of procps and the kernel."""

import json
import re
import shutil

import pytest

pytestmark = pytest.mark.parametrize("on", ["real_state"], indirect=True)
PAGES = {"x86-64": 4096, "arm64-16k": 16384, "arm64-64k": 65536, "riscv64": 4096, "i386-pae": 4096, "arm": 4096}
GATES = re.compile(r"\[(?:vsyscall|vectors)\]")  # a page of the kernel's that is no area of the process
LARGE = [arch for arch, page in PAGES.items() if page > 4096]
SCENE = """
init --ram 1G --arch {arch}
spawn render
brk 1 --by 300K
touch 1 heap 200K
mkfile f 400K
m = mmap 1 400K --shared --file f
touch 1 $m 150K
p = mmap 1 2M
touch 1 $p 700K -r
touch 1 $p 500K
fork 1
touch 2 $p 100K
"""


@pytest.fixture(params=PAGES)
def scene(request, script):
    assert script(SCENE.format(arch=request.param)).status == 0
    return PAGES[request.param]


def kb_of(vmtool, pid):
    """/proc/PID/status: its figures in kB by label."""
    return {label: int(kb) for label, kb in re.findall(r"^(\w+):\s+(\d+) kB$", vmtool(f"status {pid}").out, re.MULTILINE)}


def sums_of(vmtool, pid):
    """The sums of /proc/PID/smaps over the process's areas, by label."""
    sums = {}
    for area in re.split(r"^(?=[0-9a-f]+-)", vmtool(f"smaps {pid}").out, flags=re.MULTILINE):
        for label, kb in re.findall(r"^(\w+):\s+(\d+) kB$", area, re.MULTILINE) if not GATES.search(area) else ():
            sums[label] = sums.get(label, 0) + int(kb)
    return sums


@pytest.mark.parametrize("pid", [1, 2])
def test_the_files_of_a_process_agree_with_each_other(vmtool, scene, pid):
    status, sums, page_kb = kb_of(vmtool, pid), sums_of(vmtool, pid), scene >> 10
    size, resident, shared = [int(word) * page_kb for word in vmtool(f"statm {pid}").out.split()[:3]]
    assert (size, resident, shared) == (status["VmSize"], status["VmRSS"], status["RssFile"] + status["RssShmem"])
    stat = vmtool(f"stat {pid}").out.rpartition(")")[2].split()
    assert int(stat[20]) == size * 1024
    assert sums["Size"] == size and sums["Anonymous"] == status["RssAnon"]
    assert set(re.findall(r"^KernelPageSize:\s+(\d+) kB$", vmtool(f"smaps {pid}").out, re.MULTILINE)) == {str(page_kb)}


@pytest.mark.parametrize("pid", [1, 2])
def test_the_tools_agree_with_the_files(vmtool, scene, pid):
    status, sums = kb_of(vmtool, pid), sums_of(vmtool, pid)
    row = next(line.split() for line in vmtool("top -b -n 1").out.splitlines() if line.split()[:1] == [str(pid)])
    assert [int(word) for word in row[4:7]] == [status["VmSize"], status["VmRSS"], status["RssFile"] + status["RssShmem"]]
    rss, vsz, sz, size = map(int, vmtool(f"ps -o rss=,vsz=,sz=,size= -p {pid}").out.split())
    assert (rss, vsz, size) == (status["VmRSS"], status["VmSize"], status["VmData"] + status["VmStk"])
    assert sz == status["VmSize"] // (scene >> 10)  # pr_sz(): by the page size of sysconf()
    total = vmtool(f"pmap -x {pid}").out.splitlines()[-1].split()
    gate = 4 if GATES.search(vmtool(f"cat-maps {pid}").out) else 0
    assert [int(word) for word in total[2:4]] == [sums["Size"] + gate, sums["Rss"]]
    found = json.loads(vmtool("ps -e --json").out)
    assert next(p for p in found if p["pid"] == pid)["rss_kb"] == status["VmRSS"]


def test_a_saved_proc_says_itself_how_large_its_pages_are(vmtool, scene, tmp_path):
    assert vmtool("procfs saved").status == 0

    def columns(text):
        rows = [line.split() for line in text.splitlines()]
        return {row[0]: row[4:7] for row in rows if row[:1] in (["1"], ["2"])}

    assert columns(vmtool("top -b -n 1 --procfs saved").out) == columns(vmtool("top -b -n 1").out) != {}
    assert vmtool("slabtop -o --procfs saved").out == vmtool("slabtop -o").out
    assert vmtool("vmstat -w --procfs saved").out == vmtool("vmstat -w").out
    (tmp_path / "saved" / "1" / "statm").unlink()
    (tmp_path / "saved" / "2" / "status").unlink()
    assert vmtool("slabtop -o --procfs saved").out == vmtool("slabtop -o").out  # by nr_free_pages and MemFree


def test_slabtop_counts_pages_of_the_machine(vmtool, scene):
    lines = [line.split() for line in vmtool("slabinfo").out.splitlines()[2:]]
    kb = {words[0]: int(words[words.index("slabdata") + 2]) * int(words[5]) * (scene >> 10) for words in lines}
    shown = {line.split()[-1]: int(line.split()[6][:-1]) for line in vmtool("slabtop -o").out.splitlines()[7:]}
    assert shown == {name[:23]: size for name, size in kb.items()} and max(shown.values()) > 0


def test_swapping_in_vmstat_is_in_pages_of_the_machine(vmtool, script):
    assert script("init --ram 256M --arch arm64-16k --swap 256M\nspawn render\np = mmap 1 300M\ntouch 1 $p 300M\n").status == 0
    counters = dict(line.split() for line in vmtool("cat vmstat").out.splitlines())
    jiffies = sum(int(word) for word in vmtool("cat stat").out.splitlines()[0].split()[1:9])
    so = int(vmtool("vmstat -w").out.splitlines()[-1].split()[7])
    assert so == (int(counters["pswpout"]) * 16 * 100 + jiffies // 2) // jiffies > 0  # kb_per_page is sysconf(_SC_PAGESIZE) / 1024


def test_diff_tells_pages_of_the_machine(vmtool, scene, script):
    addr = int(vmtool("mmap 1 2M").out, 16)
    vmtool(f"touch 1 {addr + 2 * scene:#x} {3 * scene}")
    changes = [c for c in json.loads(vmtool("diff @2 --json").out) if c["object"] == "pages"]
    assert [(c["pid"], c["address"], c["nr_pages"], c["change"]) for c in changes] == [(1, f"{addr + 2 * scene:#x}", 3, "new")]
    flags = json.loads(vmtool(f"pagewalk 1 {addr + 2 * scene:#x} --json").out)["steps"][-1]["flags"]
    assert changes[0]["facts"]["flags"] == [None, flags] and flags
    assert f"pages {addr + 2 * scene:#x} of process 1 ×3: is new: frame" in vmtool("diff @2").out


def test_diff_finds_bytes_in_every_part_of_a_page(vmtool, scene, real_state):
    addr = int(vmtool("mmap 1 256K").out, 16)
    vmtool(f"store 1 {addr:#x} x")
    shutil.copy(real_state, "before.vmt")
    place = scene - 96
    vmtool(f"store 1 {addr + place:#x} hello")
    pfn = json.loads(vmtool(f"pagewalk 1 {addr:#x} --json").out)["pfn"]
    changes = [c for c in json.loads(vmtool("diff before.vmt --json").out) if c["object"] == "bytes"]
    assert [(c["pfn"], c["offset_bytes"], c["nr_bytes"], c["facts"]["hex"]) for c in changes] == [
        (pfn, place, 5, ["0000000000", b"hello".hex()])]


def test_machines_with_pages_of_two_sizes_have_no_page_in_common(vmtool, script, real_state):
    for arch in ("arm64-64k", "arm64"):
        assert script(f"init --ram 1G --arch {arch} --force\nspawn render\np = mmap 1 1M\ntouch 1 $p 1M\n").status == 0
        real_state.rename(f"{arch}.vmt")
    ran = vmtool("-s arm64.vmt diff arm64-64k.vmt --json")
    changes = [c["change"] for c in json.loads(ran.out) if c["object"] == "pages"]
    assert ran.status == 1 and {"new", "gone"} == set(changes)


@pytest.mark.parametrize("arch", LARGE)
def test_a_page_that_an_upper_entry_maps_is_huge(vmtool, script, arch):
    """PMD_SIZE: 2048 pages of 16K, 8192 of 64K."""
    huge = {"arm64-16k": 32 << 20, "arm64-64k": 512 << 20}[arch]
    lines = f"init --ram 4G --arch {arch}\nsysctl transparent_hugepage/enabled=always\nspawn render\n"
    script(lines)
    addr = int(vmtool(f"mmap 1 {2 * huge}").out, 16)
    addr = (addr + huge - 1) & -huge
    vmtool(f"touch 1 {addr:#x} 1")
    shown = json.loads(vmtool(f"pagemap 1 {addr:#x} {huge} --json").out)
    assert [(row["nr_pages"], "huge" in row["flags"]) for row in shown] == [(huge // PAGES[arch], True)]
    frame = json.loads(vmtool(f"frames {shown[0]['pfn']:#x} --json").out)[0]
    assert "huge" in frame["flags"] and frame["order"] == (huge // PAGES[arch]).bit_length() - 1


@pytest.mark.parametrize("arch", PAGES)
def test_a_trace_tells_the_offset_of_a_page_in_its_file(vmtool, script, arch):
    """ofs of mm_filemap_add_to_page_cache is the index << PAGE_SHIFT."""
    page = PAGES[arch]
    script(f"init --ram 1G --arch {arch}\nspawn render\nmkfile f {4 * page}\nexplain on\n")
    vmtool(f"read 1 /f 0 {4 * page}")
    found = re.findall(r"mm_filemap_add_to_page_cache: .* ofs=(\d+) order=(\d+)", vmtool("trace").out)
    covered = sorted(int(ofs) // page + i for ofs, order in found for i in range(1 << int(order)) if int(ofs) % page == 0)
    assert covered == [0, 1, 2, 3]


@pytest.mark.parametrize("arch", PAGES)
def test_an_area_of_vmalloc_is_whole_pages(vmtool, script, arch):
    """An area and its guard; the array of its pages comes from vmalloc itself where that is more than a page."""
    page = PAGES[arch]
    script(f"init --ram {'4G' if page > 16384 else '1G'} --arch {arch}\nspawn render\n")
    pointers = page // 8
    for nr in (pointers, pointers + 1):
        vmtool(f"vmalloc {nr * page}")
    lines = [line.split() for line in vmtool("vmallocinfo").out.splitlines()]
    assert all(int(words[1]) % page == 0 for words in lines)
    if page > 4096:
        assert ["vpages" in words for words in lines if f"pages={pointers}" in words or f"pages={pointers + 1}" in words] == [False, True]


def test_zoneinfo_has_one_threshold(vmtool, scene):
    text = vmtool("cat zoneinfo").out
    shown = [zone["nr_stat_threshold"] for zone in json.loads(vmtool("zoneinfo --json").out)["zones"] if "nr_stat_threshold" in zone]
    assert shown == [int(number) for number in re.findall(r"vm stats threshold: (\d+)", text)]


@pytest.mark.parametrize("arch", PAGES)
def test_a_trace_of_accesses_maps_whole_pages(vmtool, script, tmp_path, arch):
    """Each page that the trace names is one fault, the first time."""
    page = PAGES[arch]
    script(f"init --ram 1G --arch {arch}\n")
    base = 0x400000
    lines = ["==1== Lackey, an example Valgrind tool", f"I  {base:08x},4", f" L {base + page - 2:x},4", f" S {base + 3 * page + 8:x},8",
             f" M {base + 3 * page + 16:x},8", f" S {base + 9 * page:x},4"]
    (tmp_path / "log").write_text("\n".join(lines) + "\n")
    ran = vmtool("replay log --as lackey --json")
    assert ran.status == 0, ran.err
    counts = json.loads(ran.out)
    assert (counts["nr_signals"], counts["nr_minor_faults"]) == (0, 4)
    ranges = [tuple(int(a, 16) for a in line.split()[0].split("-")) for line in vmtool("cat-maps 1").out.splitlines()]
    mapped = [((a - base) / page, (b - base) / page) for a, b in ranges if base <= a < base + 16 * page]
    assert mapped == [(0, 2), (3, 4), (9, 10)]


@pytest.mark.parametrize("arch", PAGES)
def test_the_peaks_of_a_replay_are_those_of_status(vmtool, script, tmp_path, arch):
    page = PAGES[arch]
    script(f"init --ram 1G --arch {arch}\n")
    (tmp_path / "log").write_text(
        f"7 mmap(NULL, {9 * page}, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_POPULATE, -1, 0) = 0x20000000\n"
        "7 exit_group(0) = ?\n")
    ran = vmtool("replay log --as strace --maps-at-exit maps --json")
    status = (tmp_path / "maps" / "7.status").read_text()
    (shown,) = json.loads(ran.out)["processes"]
    assert [shown["peak_size_kb"], shown["peak_rss_kb"]] == [
        int(re.search(rf"{label}:\s+(\d+) kB", status)[1]) for label in ("VmPeak", "VmHWM")]


@pytest.mark.parametrize("arch", LARGE)
def test_a_picture_has_a_run_of_pages_in_one(vmtool, script, arch):
    """More pages of zeros than a table of x86-64 has entries: one of this machine has more."""
    page = PAGES[arch]
    script(f"init --ram 1G --arch {arch}\nspawn render\np = mmap 1 {1000 * page} --addr 0x40000000 --fixed\ntouch 1 $p {1000 * page} -r\n")
    assert len(re.findall(r"\] x1000 .*\[0\.\.999\]", vmtool("draw 1 --ascii").out)) == 1


@pytest.mark.parametrize("arch", PAGES)
def test_partitions_counts_blocks_of_1_kB(vmtool, script, arch):
    script(f"init --ram 1G --arch {arch}\nspawn render\nmkfile f 1M\nwrite 1 /f 0 x\nsync\n")
    blocks = int(vmtool("cat partitions").out.splitlines()[-1].split()[2])
    held = sum(file["nr_disk_blocks"] for name, file in _files(vmtool))
    assert blocks == held * PAGES[arch] // 1024 > 0


def _files(vmtool):
    """(path, facts) of each file, as diff tells those of a machine that another has not."""
    assert vmtool("-s none.vmt init --ram 1G --arch x86-64").status == 0
    for change in json.loads(vmtool("diff none.vmt --json").out):
        if change["object"] == "file":
            yield change["path"], {name: values[1] for name, values in change["facts"].items()}


@pytest.mark.parametrize("arch", LARGE)
def test_import_takes_in_pages_of_4_kB_alone(vmtool, script, arch):
    script(f"init --ram 1G --arch {arch}\nspawn render\nprocfs saved\n")
    assert vmtool("-s other.vmt init").status == 0
    ran = vmtool("-s other.vmt import saved/1")
    assert ran.status == 1 and f"its pages are of {PAGES[arch] >> 10} kB, and only those of 4 kB can be taken in" in ran.err
    assert vmtool("-s other.vmt ps -e -o pid=").out == ""
