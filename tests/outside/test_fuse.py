"""mount: the live tree over FUSE, and what happens when someone pulls a plug."""

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from vmtool.errors import KernelError
from vmtool.outside.fuse import Requests
from vmtool.store import session as store

core = pytest.importorskip("vmtool._core", reason="the kernel is not built here (make)", exc_type=ImportError)
VMTOOL = [sys.executable, "-m", "vmtool"]


def vmtool(state, *words, check=True):
    return subprocess.run([*VMTOOL, "-s", str(state), *words], capture_output=True, text=True, check=check)


@pytest.fixture
def state(tmp_path):
    (tmp_path / "script").write_text("p = spawn render\nbrk $p --by 1M\ntouch $p heap 100K\nfork $p\n")
    vmtool(tmp_path / "m.vmt", "run", str(tmp_path / "script"))
    return tmp_path / "m.vmt"


@pytest.fixture
def requests(state):
    asked = Requests(lambda write: store.open_machine(str(state), write, 5), lambda: (0, 0, os.getpid()))
    yield asked
    asked.close()


def test_a_readers_own_pid_is_an_unlisted_alias(requests):
    own = str(os.getpid())
    assert requests.getattr(f"/{own}")["st_mode"] & 0o170000 == 0o040000
    assert requests.read(f"/{own}/stat", 100, 0, requests.open(f"/{own}/stat", os.O_RDONLY)).startswith(b"1 (render)")
    assert own not in requests.readdir("/")
    with pytest.raises(KernelError, match="ENOENT"):
        requests.getattr("/999999")


def test_a_text_is_made_when_it_is_opened(requests, state):
    handle = requests.open("/1/comm", os.O_RDONLY)
    requests.rest()
    assert requests.write("/1/comm", b"other\n") == 6
    assert requests.read("/1/comm", 100, 0, handle) == b"render\n"
    requests.release(handle)
    assert requests.read("/1/comm", 3, 1, requests.open("/1/comm", os.O_RDONLY)) == b"the"
    assert "other" in vmtool(state, "ps").stdout


def test_what_may_not_be_opened(requests):
    refused = (("/1", os.O_RDONLY, errno.EISDIR), ("/1/maps", os.O_WRONLY, errno.EACCES), ("/1/nothing", os.O_RDONLY, errno.ENOENT),
               ("/1/clear_refs", os.O_RDONLY, errno.EINVAL))  # fmt: skip
    for path, flags, error in refused:
        with pytest.raises(KernelError) as raised:
            requests.open(path, flags)
        assert raised.value.errno == error


def test_pages_are_read_in_pieces(requests):
    size = requests.getattr("/kpageflags")["st_size"]
    handle = requests.open("/kpageflags", os.O_RDONLY)
    assert handle == 0 and len(requests.read("/kpageflags", 1 << 16, size - 80, handle)) == 80


def test_another_file_in_the_place_of_the_state(requests, state):
    assert "2" in requests.readdir("/")
    requests.rest()
    vmtool(state, "init", "--force")
    assert "2" not in requests.readdir("/")
    requests.rest()
    state.unlink()
    with pytest.raises(OSError, match="No such file"):
        requests.readdir("/")


@pytest.fixture
def mounted(state, tmp_path):
    """(directory, server) of a mount, which is gone afterwards. State file and directory are named from where one is: libfuse goes to /."""
    pytest.importorskip("mfusepy", reason="mfusepy is not installed: pip install vmtool[mount]", exc_type=ImportError)
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is not there for us")
    place = tmp_path / "proc"
    place.mkdir()
    server = subprocess.Popen([*VMTOOL, "-s", state.name, "mount", place.name], stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    deadline = time.monotonic() + 30
    while not os.path.ismount(place) and server.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if server.poll() is not None:
        pytest.skip(f"nothing can be mounted here: {server.stderr.read().strip()}")
    yield place, server
    if server.poll() is None:
        server.terminate()
        server.wait(30)
    server.stderr.close()
    assert gone(place)


def gone(place):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with open("/proc/self/mounts") as mounts:
            if str(place) not in mounts.read():
                return True
        time.sleep(0.1)
    return False


def test_it_follows_the_state_file(mounted, state):
    place, _ = mounted
    for path in ("meminfo", "1/smaps", "2/status", "vmstat", "sys/vm/swappiness"):
        assert (place / path).read_text() == vmtool(state, "cat", f"/proc/{path}").stdout
    vmtool(state, "spawn", "late")
    assert (place / "3" / "comm").read_text() == "late\n"
    assert sorted(name for name in os.listdir(place) if name.isdigit()) == ["1", "2", "3"]
    assert os.readlink(place / "1" / "exe") == "/usr/bin/render"


def test_writes_and_rubbish(mounted, state):
    place, _ = mounted
    (place / "1" / "oom_score_adj").write_text("300\n")
    assert vmtool(state, "cat", "/proc/1/oom_score_adj").stdout == "300\n"
    (place / "1" / "clear_refs").write_text("1\n")
    refused = (("1/clear_refs", "rubbish", errno.EINVAL), ("1/clear_refs", "9", errno.EINVAL), ("1/maps", "x", errno.EACCES),
               ("1/oom_score_adj", "1001", errno.EINVAL), ("1/oom_score_adj", "-1", errno.EACCES), ("no", "x", errno.ENOENT))  # fmt: skip
    for path, text, error in refused:
        with pytest.raises(OSError) as raised:
            fd = os.open(place / path, os.O_WRONLY)
            try:
                os.write(fd, text.encode())
            finally:
                os.close(fd)
        assert raised.value.errno == error, path
    assert vmtool(state, "fsck").stdout == ""


def test_mem(mounted, state):
    place, _ = mounted
    heap = int(vmtool(state, "cat-maps", "1").stdout.split("[heap]")[0].splitlines()[-1].split("-")[0], 16)
    untouched = heap + (512 << 10)
    before = vmtool(state, "stat", "1").stdout
    with open(place / "1" / "mem", "r+b", buffering=0) as mem:
        mem.seek(untouched)
        assert mem.read(5000) == bytes(5000)
        assert vmtool(state, "stat", "1").stdout == before  # a reader changes nothing here
        mem.seek(heap + 8)
        assert mem.write(b"hello") == 5
        mem.seek(heap + 8)
        assert mem.read(5) == b"hello"
        mem.seek(0x1000)
        with pytest.raises(OSError, match="Input/output"):
            mem.read(1)
        with pytest.raises(OSError, match="Input/output"):
            mem.write(b"x")
    assert vmtool(state, "load", "1", f"{heap + 8:x}", "5", "--hex").stdout == "68656c6c6f\n"
    assert vmtool(state, "fsck").stdout == ""


def test_writers_are_not_held_up_by_an_open_reader(mounted, state):
    place, _ = mounted
    with open(place / "1" / "smaps") as file:
        file.read(10)
        vmtool(state, "--wait", "5", "spawn", "writer")
    assert (place / "3" / "comm").read_text() == "writer\n"


def test_a_state_file_that_vanishes(mounted, state):
    place, _ = mounted
    state.rename(str(state) + ".away")
    with pytest.raises(OSError) as raised:
        (place / "meminfo").read_text()
    assert raised.value.errno == errno.EIO
    (state.parent / "m.vmt.away").rename(state)
    assert "MemTotal" in (place / "meminfo").read_text()


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_unmounts(mounted, signo):
    place, server = mounted
    server.send_signal(signo)
    assert server.wait(30) == 0 and gone(place) and os.listdir(place) == []


def test_unmounted_while_a_reader_is_open(mounted):
    """Not at once, as of any mount that is in use; lazily it goes, and its reader's next look says so."""
    place, server = mounted
    unmount = shutil.which("fusermount3")
    if unmount is None:
        pytest.skip("fusermount3 is not installed")
    fd = os.open(place / "1" / "smaps", os.O_RDONLY)
    assert os.read(fd, 4) != b""
    busy = subprocess.run([unmount, "-u", str(place)], capture_output=True, text=True, timeout=30)
    assert busy.returncode != 0 and os.path.ismount(place) and os.read(fd, 4) != b""
    assert subprocess.run([unmount, "-u", "-z", str(place)], capture_output=True, timeout=30).returncode == 0
    assert gone(place) and os.listdir(place) == []
    assert os.read(fd, 4) != b""  # it is served until it closes
    os.close(fd)
    assert server.wait(30) == 0


def test_a_signal_ends_it_though_a_reader_is_open(mounted):
    place, server = mounted
    fd = os.open(place / "1" / "smaps", os.O_RDONLY)
    server.terminate()
    assert server.wait(30) == 0 and gone(place)
    with pytest.raises(OSError) as raised:
        os.read(fd, 4)
    assert raised.value.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    with contextlib.suppress(OSError):
        os.close(fd)


def test_a_killed_server_leaves_no_mount_and_no_hanging_reader(mounted):
    place, server = mounted
    fd = os.open(place / "1" / "smaps", os.O_RDONLY)
    server.kill()
    server.wait(30)
    with pytest.raises(OSError):
        os.read(fd, 10)
    with contextlib.suppress(OSError):  # closing asks the server, too
        os.close(fd)
    if not gone(place):  # where fusermount3 is missing
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_where_nothing_can_be_mounted(state, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    for place in ("full", "missing", "m.vmt"):
        ran = vmtool(state, "mount", str(tmp_path / place), check=False)
        assert ran.returncode == 1 and ran.stderr.startswith("vmtool: mount: ") and ran.stderr.count("\n") == 1
    assert vmtool(tmp_path / "none.vmt", "mount", str(tmp_path / "full"), check=False).returncode == 1
