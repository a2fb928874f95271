"""The stories of fixtures/transcripts/stories, told to the live kernel: what each step must answer.

A line of a story is a line of a script; after ` => ` stands a regular expression for the kernel's answer (an errno or a signal
with its code and address when there is one). `@` is the workplace. The transcripts show these facts in vmtool's own words.
"""

SPAWN = "{0} = spawn --exe @/target\ntouch ${0} 0x401000 0x2000 -x\n"
SCENE = "mkfile @/d/scene.dat {0} --from @/src/pattern-{0}.bin --dev 8:1 --inode 1001\n"

BRK = SPAWN.format("p") + r"""
brk $p => ^0x408000$
brk $p --by 16K => ^0x40c000$
cat-maps $p => (?m)^00408000-0040c000 rw-p 00000000 00:00 0 +\[heap\]$
smaps $p => (?s)\[heap\]\nSize: +16 kB\n.*?\nRss: +0 kB
pagemap $p 0x408000 16K --raw => (?m)^0x408000 0x0$
touch $p 0x408000 => ^minor=1 major=0$
smaps $p => (?s)\[heap\]\nSize: +16 kB\n.*?\nRss: +4 kB
touch $p 0x408000 16K => ^minor=3 major=0$
a = mmap $p 4K
touch $p $a -r => ^minor=1 major=0$
smaps $p => VmFlags
pagemap $p $a 4K --raw
b = mmap $p 4K
touch $p $b -r => ^minor=1 major=0$
pagemap $p $b 4K --raw
touch $p $a -w => ^minor=1 major=0$
pagemap $p $a 4K --raw
brk $p --by -16K => ^0x408000$
touch $p 0x408000 --probe => ^SIGSEGV SEGV_MAPERR 0x408000$
"""

READ = SPAWN.format("p") + SPAWN.format("s1") + SCENE.format(12288) + r"""
a = mmap $s1 12K --prot r --file @/d/scene.dat
mincore $s1 $a 12K => ^000$
read $p @/d/scene.dat 0 512
mincore $s1 $a 12K => ^111$
read $p @/d/scene.dat 512 512
mincore $s1 $a 12K => ^111$
exit $p
mincore $s1 $a 12K => ^111$
"""

READ_AND_MMAP = SPAWN.format("p") + SCENE.format(12288) + r"""
b = mmap $p 12K
read $p @/d/scene.dat 0 12K
touch $p $b 12K -w => ^minor=3 major=0$
pagemap $p $b 12K --raw
""" + SPAWN.format("v") + r"""
m = mmap $v 12K --prot r --file @/d/scene.dat
touch $v $m -r => ^minor=1 major=0$
touch $v $m 12K -r => ^minor=0 major=0$
pagemap $v $m 12K --raw
smaps $v => (?s)scene.dat\n.*?Rss: +12 kB\nPss: +12 kB\n.*?Anonymous: +0 kB
mincore $v $m 12K => ^111$
"""

COPY_ON_WRITE = SPAWN.format("p") + SPAWN.format("v") + SCENE.format(12288) + r"""
a = mmap $p 12K --private --file @/d/scene.dat => ^0x7ffff7ff4000$
b = mmap $v 12K --private --file @/d/scene.dat => ^0x7ffff7ff4000$
touch $p $a 12K -r => ^minor=0 major=1$
touch $v $b 12K -r => ^minor=1 major=0$
cat-maps $p => (?m)^7ffff7ff4000-7ffff7ff7000 rw-p 00000000 08:01 1001 +/
pagemap $p $a 12K --raw
pagemap $v $b 12K --raw
touch $p 0x7ffff7ff6000 -w => ^minor=1 major=0$
store $p 0x7ffff7ff6000 THIRD
load $p 0x7ffff7ff6000 5 --hex => ^5448495244$
load $v 0x7ffff7ff6000 5 --hex => ^cc70616765$
pagemap $p $a 12K --raw
pagemap $v $b 12K --raw
touch $p 0x7ffff7ff6000 -w => ^minor=0 major=0$
smaps $p => (?s)scene.dat\n.*?Rss: +12 kB\nPss: +8 kB\n.*?Anonymous: +4 kB
c = fork $p
touch $c 0x401000 0x2000 -x
pagemap $c $a 12K --raw
touch $c 0x7ffff7ff6000 -w => ^minor=1 major=0$
store $c 0x7ffff7ff6000 CHILD
pagemap $c $a 12K --raw
load $p 0x7ffff7ff6000 5 --hex => ^5448495244$
load $c 0x7ffff7ff6000 5 --hex => ^4348494c44$
touch $p 0x7ffff7ff6000 -w => ^minor=1 major=0$
pagemap $p $a 12K --raw
"""

SHARED = SPAWN.format("p") + SPAWN.format("v") + SCENE.format(4096) + r"""
a = mmap $p 4K --shared --file @/d/scene.dat => ^0x7ffff7ff6000$
b = mmap $v 4K --shared --file @/d/scene.dat
touch $v $b -r => ^minor=0 major=1$
touch $p $a -w => ^minor=1 major=0$
store $p $a tower
load $v $b 5 --hex => ^746f776572$
pagemap $p $a 4K --raw
pagemap $v $b 4K --raw
smaps $p => (?s)scene.dat\n.*?Shared_Dirty: +4 kB\n
sync
smaps $p => (?s)scene.dat\n.*?Shared_Clean: +4 kB\nShared_Dirty: +0 kB\n.*?Referenced: +4 kB\n
touch $p $a -w => ^minor=1 major=0$
touch $p $a -w => ^minor=0 major=0$
s = mmap $p 4K --shared
cat-maps $p => (?m)^7ffff7ff5000-7ffff7ff6000 rw-s 00000000 00:01 \d+ +/dev/zero \(deleted\)$
c = fork $p
touch $c 0x401000 0x2000 -x
touch $c $s -w => ^minor=1 major=0$
store $c $s child
load $p $s 5 --hex => ^6368696c64$
pagemap $p $s 4K --raw
pagemap $c $s 4K --raw
"""

STACK = SPAWN.format("p") + r"""
cat-maps $p => (?m)^7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0 +\[stack\]$
setrlimit $p stack 256K
touch $p 0x7ffffffdd000 -w => ^minor=1 major=0$
cat-maps $p => (?m)^7ffffffdd000-7ffffffff000 rw-p .*\[stack\]$
touch $p 0x7ffffffd6000 -w => ^minor=1 major=0$
cat-maps $p => (?m)^7ffffffd6000-7ffffffff000 rw-p .*\[stack\]$
touch $p 0x7ffffffbf000 -w => ^minor=1 major=0$
touch $p 0x7ffffffbe000 -w --probe => ^SIGSEGV SEGV_MAPERR 0x7ffffffbe000$
setrlimit $p stack unlimited
touch $p 0x7ffffff7e000 -w => ^minor=1 major=0$
cat-maps $p => (?m)^7ffffff7e000-7ffffffff000 rw-p .*\[stack\]$
status $p => VmStk:\t +516 kB
"""

LARGE = SPAWN.format("p") + r"""
a = mmap $p 8M
touch $p $a 8M => ^minor=2048 major=0$
status $p => RssAnon:\t +8200 kB
munmap $p $a 8M
status $p => RssAnon:\t +8 kB
"""

MAP = SPAWN.format("p") + "mkfile @/d/libscene.so 65536 --from @/src/pattern-65536.bin --dev 8:1 --inode 1001\n" + r"""
cat-maps $p => (?m)^7ffff7ff7000-7ffff7ffb000 r--p .*\[vvar\]\n7ffff7ffb000-7ffff7ffd000 r--p .*\[vvar_vclock\]$
cat-maps $p => (?m)^7ffff7ffd000-7ffff7fff000 r-xp .*\[vdso\]$
l = mmap $p 64K --prot rx --file @/d/libscene.so => ^0x7ffff7fe7000$
mmap $p 8K => ^0x7ffff7fe5000$
mprotect $p 0x7ffff7feb000 8K r
cat-maps $p => (?m)^7ffff7feb000-7ffff7fed000 r--p 00004000 .*\n7ffff7fed000-7ffff7ff7000 r-xp 00006000
mprotect $p 0x7ffff7feb000 8K rx
cat-maps $p => (?m)^7ffff7fe7000-7ffff7ff7000 r-xp 00000000
"""

SWITCH = SPAWN.format("p") + SPAWN.format("s1") + r"""
brk $p --by 4K
brk $s1 --by 4K
touch $p 0x408000 -w => ^minor=1 major=0$
touch $s1 0x408000 -w => ^minor=1 major=0$
store $p 0x408000 one
store $s1 0x408000 two
load $p 0x408000 3 --hex => ^6f6e65$
load $s1 0x408000 3 --hex => ^74776f$
pagemap $p 0x408000 4K --raw
pagemap $s1 0x408000 4K --raw
"""

KERNEL = SPAWN.format("p") + r"""
touch $p 0xffffffff81000000 -r --probe => ^SIGSEGV SEGV_MAPERR 0xffffffff81000000$
touch $p 0x800000000000 -r --probe => ^SIGSEGV SI_KERNEL 0x0$
"""

POOL = "hugepages/hugepages-2048kB"
FILE = f"/sys/kernel/mm/{POOL}"
HUGETLB = SPAWN.format("p") + rf"""
sysctl {POOL}/nr_hugepages=4
cat {FILE}/free_hugepages => ^4$
a = mmap $p 4M --hugetlb 2M => ^0x7ffff7a00000$
cat {FILE}/free_hugepages => ^4$
cat {FILE}/resv_hugepages => ^2$
touch $p $a -w => ^minor=1 major=0$
cat {FILE}/free_hugepages => ^3$
cat {FILE}/resv_hugepages => ^1$
smaps $p => (?s)anon_hugepage \(deleted\)\nSize: +4096 kB\nKernelPageSize: +2048 kB.*?\nRss: +0 kB.*?Private_Hugetlb: +2048 kB
status $p => HugetlbPages:\s+2048 kB
touch $p $a 4M -w => ^minor=1 major=0$
c = fork $p
touch $c 0x401000 0x2000 -x
touch $c $a 4M -w => ^minor=2 major=0$
cat {FILE}/free_hugepages => ^0$
b = mmap $c 2M --hugetlb 2M --noreserve => ^0x7ffff7800000$
touch $c $b -w --probe => ^SIGBUS BUS_ADRERR 0x7ffff7800000$
"""

STORIES = {"brk": BRK, "read": READ, "read-and-mmap": READ_AND_MMAP, "copy-on-write": COPY_ON_WRITE, "shared": SHARED, "stack": STACK,
           "free": LARGE, "cat-map": MAP, "switch": SWITCH, "kernel-address": KERNEL, "hugetlb": HUGETLB}
"""By the name of the transcript that shows it."""
