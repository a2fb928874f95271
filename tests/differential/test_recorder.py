"""The recorder on the live kernel: answers that are known from the manual or by construction."""

import pytest

from tests.differential import conditions, target
from tests.differential.kernel import Kernel

pytestmark = [
    pytest.mark.skipif(conditions.obstacle() is not None, reason=conditions.obstacle() or ""),
    pytest.mark.xdist_group("readahead"),  # sets the disk's for the while
]


@pytest.fixture(scope="module")
def root():
    try:
        with conditions.workplace() as directory:
            yield directory
    except conditions.Unsuitable as e:
        pytest.skip(str(e))


@pytest.fixture
def kernel(root):
    with Kernel(root) as k:
        k.run(f"p = spawn --exe {root}/target")
        k.run("touch $p 0x401000 0x2000 -x")
        yield k


def test_a_fresh_page_is_one_minor_fault_and_its_bytes_are_kept(kernel):
    kernel.run("a = mmap $p 8K --prot rw")
    assert kernel.run("touch $p $a 8K").out == "minor=2 major=0"
    assert kernel.run("touch $p $a 8K").out == "minor=0 major=0"
    kernel.run("store $p $a hello")
    kernel.run("touch $p $a -w")
    assert kernel.run("load $p $a 6 --hex").out == b"hello\0".hex()


def test_signals_are_read_and_not_delivered(kernel):
    answer = kernel.run("touch $p 0x1000 -r --probe")
    assert (answer.signal, answer.sigcode, answer.sigaddr, answer.exit) == ("SIGSEGV", "SEGV_MAPERR", 0x1000, 139)
    assert kernel.run("touch $p 0x403000 -w --probe").sigcode == "SEGV_ACCERR"
    assert kernel.run("cat-maps $p").exit == 0
    assert kernel.run("touch $p 0x1000 -r").signal == "SIGSEGV"
    assert kernel.run("cat-maps $p").errno == "ESRCH"


def test_execution_is_by_the_process_itself(kernel):
    kernel.run("a = mmap $p 4K --prot rwx")
    assert kernel.run("touch $p $a -x --probe").out == "minor=1 major=0"
    kernel.run("b = mmap $p 4K --prot rw")
    assert kernel.run("touch $p $b -x --probe").sigcode == "SEGV_ACCERR"


def test_errors_have_their_names(kernel):
    assert kernel.run("munmap $p 0x400001 4096").errno == "EINVAL"
    assert kernel.run("mmap $p 0").errno == "EINVAL"
    assert kernel.run("madvise $p 0x10000 4096 dontneed").errno == "ENOMEM"


def test_a_forked_child_has_its_own_copy(kernel):
    kernel.run("a = mmap $p 4K --prot rw")
    kernel.run("store $p $a parent")
    kernel.run("c = fork $p")
    kernel.run("touch $c 0x401000 0x2000 -x")
    kernel.run("store $c $a child!")
    assert kernel.run("load $p $a 6 --hex").out == b"parent".hex()
    assert kernel.run("load $c $a 6 --hex").out == b"child!".hex()


def test_files_show_the_device_and_inode_they_were_made_with(kernel, root):
    with open(f"{root}/pattern", "wb") as f:
        f.write(target.pattern(8192))
    kernel.run(f"mkfile {root}/d/scene.dat 8192 --from {root}/pattern --dev 8:1 --inode 4711")
    kernel.run(f"a = mmap $p 8K --prot r --file {root}/d/scene.dat")
    line = next(line for line in kernel.run("cat-maps $p").out.split("\n") if line.endswith("scene.dat"))
    assert " 08:01 4711 " in line
    assert line.index("/") == 73
    assert kernel.run("mincore $p $a 8K").out == "00"
    kernel.run(f"read $p {root}/d/scene.dat 0 8192")
    assert kernel.run("mincore $p $a 8K").out == "11"


def test_limits_are_those_of_an_unprivileged_process(kernel):
    kernel.run("a = mmap $p 16M --prot rw")
    assert kernel.run("mlock $p $a 16M").errno == "ENOMEM"


def test_an_exec_brings_a_new_image(kernel, root):
    kernel.run(f"exec $p {root}/target-pie")
    maps = kernel.run("cat-maps $p").out
    assert f"{root}/target-pie" in maps
    assert f"{root}/ld.so" in maps
    assert kernel.run("touch $p 0x7ffff7ff8000 0x2000 -x").exit == 0
