"""Command lines of ps, vmstat, slabtop, top and uptime that are compared with procps, and the /proc they are run over."""

from vmtool.procfs.tree import Tree
from vmtool.tools import ps, slabtop, top, uptime, vmstat

PS = """\
-e|-ef|-eF|-el|-elf|-ely|-ej|-ejf|-ec|-eP|aux|ax|axu|axl|axj|axv|axs|1 2|-p 1,2|-C render|-e --no-headers|aux --width 60|-u nobody
-e -o pid,ppid,comm,args,rss,vsz,pmem,pcpu,stat,maj_flt,min_flt,sz,nlwp,user,time,etime,start,tty,ni,pri|-eo pid=,comm=
-eo pid,comm=NAME,rss|-eo user:20,pid,args|-e -o pid -o rss=MEMORY|axo pid,stat,lstart,bsdstart,stime,etimes,cputime,times
-eo pid,euid,ruid,suid,fuid,egid,euser,ruser,group,rgroup|-eo pid,pending,blocked,ignored,caught|-eo tsiz,dsiz,trs,drs,size,m_size,sz,lim
-eo stackp,esp,eip,flags,f,c,cp,class,cls,policy,rtprio,sched,psr|-eo pri,opri,priority,intpri,pri_foo,pri_bar,pri_baz,pri_api,ni,nice
-eo args,pid,comm,fname|-eo comm,args --width 40|-e --sort=-rss -o pid,rss|-e --sort pid -o pid,vsz|axk -vsz o pid,vsz|-eo pss,uss,pid
-U 65534 -o pid|-p 999|--ppid 1|axo wchan,pid,wname|-eo %cpu,%mem,command|-eO rss|-N -p 1|axh|-eo pid,oom,oomadj
-eo lwp,tid,tgid,spid,sid,pgid,sess,tpgid|-eo addr,wchan:14,comm:5,pid|-eo thcount,cpuid,minflt,majflt,pagein,rsz,rssize,vsize,uid,gid
-eL|-eLf|-eLF|-eLl|-eLfl|-eLj|-eLP|-eLc|-eLy -l|-eT|-eTf|-eTl|-eTF|-eTc|axH|auxH|axHl|axHj|axHs|axHv|-eLO rss|-L -p 1
-eL -o pid,lwp,tid,spid,nlwp,comm,min_flt,maj_flt,stat,wchan,sz,rss,psr,args|-eLo pid,tid --sort -tid"""
VMSTAT = {
    "": lambda s: vmstat.run(s), "-a": lambda s: vmstat.run(s, True), "-w": lambda s: vmstat.run(s, False, True),
    "-a -w": lambda s: vmstat.run(s, True, True), "-S M": lambda s: vmstat.run(s, unit="M"), "-S m": lambda s: vmstat.run(s, unit="m"),
    "-S k": lambda s: vmstat.run(s, unit="k"), "-s": lambda s: vmstat.run_sums(s), "-s -S M": lambda s: vmstat.run_sums(s, "M"),
    "-f": lambda s: vmstat.run_forks(s), "-m": lambda s: vmstat.run_slabs(s), "-m -n": lambda s: vmstat.run_slabs(s, True),
}  # fmt: skip
TOP = {"-b -n1 -w 80": lambda s: top.run(s), "-b -n1 -c -w 100": lambda s: top.run(s, True, 100)}
LINES = {
    **{f"ps {line}": lambda s, line=line: ps.run(s, line.split())[0] for line in PS.replace("\n", "|").split("|")},
    **{f"vmstat {line}".strip(): function for line, function in VMSTAT.items()},
    **{f"slabtop -o -s {key}": lambda s, key=key: slabtop.run(s, key) for key in slabtop.SORTS},
    **{f"top {line}": function for line, function in TOP.items()},
    "uptime": lambda s: uptime.run(s), "uptime -p": lambda s: uptime.run(s, True),
}  # fmt: skip
SYSTEM = ("meminfo", "stat", "vmstat", "cpuinfo", "uptime", "loadavg", "slabinfo", "sys/kernel/pid_max", "sys/kernel/osrelease", "version")
PROCESS = ("stat", "status", "statm", "cmdline", "comm", "wchan", "smaps_rollup", "maps", "smaps", "oom_score", "oom_score_adj", "environ")

THREAD = ("stat", "status", "cmdline", "comm")


def machine_of(core):
    """Processes with odd names and locked, huge, shared and no memory."""
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30)
    for _ in range(2500):
        machine.tick()
    machine.mkfile("/data/scene.dat", 1 << 20)
    pid = machine.spawn("render", None, [b"render", b"--all", b"a b"], [])
    heap = machine.brk(pid)
    machine.brk(pid, heap + (1 << 20))
    machine.touch(pid, heap, 700 << 10, "w")
    at = machine.mmap(pid, 0, 1 << 20, 3, 1, "/data/scene.dat")
    machine.touch(pid, at, 300 << 10, "r")
    machine.mlock(pid, heap, 16 << 10)
    machine.fork(pid)
    machine.touch(2, heap, 50 << 10, "w")
    machine.spawn("we ird) (x", None, [], [])
    machine.spawn("tab\there", None, [b"\x1b[31m", b"\xff\xfe", b"\xc3\xa9"], [])
    machine.clone(2)
    machine.set_comm(machine.clone(2), "worker)")
    machine.touch(6, machine.mmap(6, 0, 1 << 20, 3, 0x22), 100 << 10, "w")
    huge = machine.spawn("a-very-long-name-indeed", None, [b"x" * 300], [])
    at = machine.mmap(huge, 0, 200 << 20, 3, 0x22)
    machine.touch(huge, at, 100 << 20, "w")
    return machine


def files_of(machine):
    """The texts that the tools read of it."""
    tree = Tree(machine)
    there = {name for name, _ in tree.list("1")}
    tasks = [f"{task.pid}/task/{thread.pid}" for task in machine.tasks() for thread in machine.threads(task.pid)]
    paths = [*SYSTEM, *(f"{task}/{name}" for task in tasks for name in THREAD),
             *(f"{task.pid}/{name}" for task in machine.tasks() for name in PROCESS if name in there)]
    return {path: tree.read(path).decode("utf-8", "surrogateescape") for path in paths}


class Files:
    """A Source over texts."""

    now = None

    def __init__(self, texts, page_bytes=4096):
        self.texts, self.page_bytes = texts, page_bytes

    def read(self, path):
        return self.texts.get(path)

    def pids(self):
        return sorted({int(path.partition("/")[0]) for path in self.texts if path[0].isdigit()})

    def threads(self, pid):
        return sorted({int(path.split("/")[2]) for path in self.texts if path.startswith(f"{pid}/task/")})

    def user(self, uid):
        return {0: "root", 65534: "nobody"}.get(uid, str(uid))

    def group(self, gid):
        return {0: "root", 65534: "nogroup"}.get(gid, str(gid))

    def owner(self, pid):
        return 0
