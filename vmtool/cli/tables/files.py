"""Declarations: files, and what the page cache holds of them."""

from vmtool.cli.declare import READS, WRITES, Command, arg, option, switch

PID = arg("pid", "PID", "the process")
PATH = arg("path", "PATH", "the file's path in the machine; scene.dat is /scene.dat")
OFFSET = arg("offset", "SIZE", "where in the file")

COMMANDS = (
    Command(
        "mkfile", "files:mkfile",
        (PATH, arg("size", "SIZE", "bytes"),
         option("--from", "HOSTPATH", "HOSTFILE", "its contents, zeros beyond their end", name="source"),
         option("--dev", "DEVICE", "MAJ:MIN", "the device it lies on: 8:1, of a tmpfs 0:27, unless given"),
         option("--inode", "SIZE", "N", "its inode number, the next free one unless given", default=0),
         switch("--tmpfs", "on a tmpfs, as below /dev/shm: shared memory with a name")),
        access=WRITES, json=False,
        help="Make a file on the simulated disk, or on a tmpfs.",
        details="Of a file on a tmpfs no page is there, but those with contents of HOSTFILE; the huge= of all tmpfs mounts is tmpfs/huge "
                "(sysctl).",
        example="vmtool mkfile scene.dat 16K"),
    Command(
        "truncate", "files:truncate", (PATH, arg("size", "SIZE", "the new size")),
        access=WRITES, json=False,
        help="Cut a file, or extend it with zeros.",
        example="vmtool truncate scene.dat 4K"),
    Command(
        "rename", "files:rename", (PATH, arg("to", "PATH", "its new path")),
        access=WRITES, json=False,
        help="Give a file another path.",
        example="vmtool rename scene.dat old.dat"),
    Command(
        "rmfile", "files:rmfile", (PATH,),
        access=WRITES, json=False,
        help="Remove a file; mappings of it keep its pages and show (deleted).",
        example="vmtool rmfile scene.dat"),
    Command(
        "fallocate", "files:fallocate",
        (PATH, OFFSET, arg("length", "SIZE", "bytes"), switch("--punch-hole", "free the range (the only mode there is)")),
        access=WRITES, json=False,
        help="Punch a hole into a file.",
        example="vmtool fallocate scene.dat 4K 8K --punch-hole"),
    Command(
        "fail-io", "files:fail_io",
        (PATH, switch("--read", "reads from the disk fail (the default)", name="way", value="read", default="read"),
         switch("--write", "writes to the disk fail", name="way", value="write"),
         option("--times", "SIZE", "N", "how many of them; 0 ends it", default=1)),
        access=WRITES, json=False, exclusive=("--read --write",),
        help="Let the disk fail: EIO for read(), SIGBUS for a mapping, an error at the next sync of the file.",
        example="vmtool fail-io scene.dat --read --times 2"),
    Command(
        "read", "files:read",
        (PID, PATH, OFFSET, arg("length", "SIZE", "bytes"),
         switch("--hex", "print the bytes as hexadecimal digits", name="form", value="hex", default="count"),
         switch("--raw", "print the bytes themselves", name="form", value="raw")),
        access=WRITES, exclusive=("--hex --raw",),
        help="read() through the page cache; prints how many bytes it returned.",
        example="vmtool read 1 scene.dat 0 512"),
    Command(
        "write", "files:write",
        (PID, PATH, OFFSET, arg("data", "DATA", "the bytes", optional=True, dash=True),
         option("--hex", "HEX", "HEX", "the bytes as pairs of hexadecimal digits")),
        access=WRITES, exclusive=("DATA --hex",),
        help="write() into the page cache; prints how many bytes it took.",
        example="vmtool write 1 scene.dat 0 hello"),
    Command(
        "fincore", "files:fincore",
        (PATH, switch("-b --bytes", "sizes in bytes"), switch("--pages", "print the index of each page instead")),
        access=READS, exclusive=("--bytes --pages",),
        help="Show what of a file the page cache holds, as util-linux's fincore.",
        example="vmtool fincore scene.dat"),
    Command(
        "drop-caches", "files:drop_caches",
        (arg("what", ("1", "2", "3"), "1 page cache, 2 slabs, 3 both (the default)", optional=True, default="3"),),
        access=WRITES, json=False,
        help="Free what the page cache and reclaimable slabs hold and nobody uses.",
        example="vmtool drop-caches 1"),
    Command(
        "sync", "files:sync", (),
        access=WRITES, json=False,
        help="Write all dirty pages back.",
        example="vmtool sync"),
)
