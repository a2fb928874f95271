"""The files of -ff in one order: by times, by causes, by answers."""

from collections import defaultdict

import pytest

from vmtool.strace import handlers
from vmtool.strace.merge import LogFile, Merged
from vmtool.strace.origin import Origin
from vmtool.strace.procs import Processes
from vmtool.strace.replay import Summary
from vmtool.strace.sidecar import Unknown


class Replay:
    """What Merged asks of a replay, of one whose processes nobody follows."""

    def __init__(self):
        self.facts, self.procs, self.summary, self.origin = Unknown(), Processes(), Summary(), Origin("x86-64")


def merged(files):
    listed = [LogFile(f"out.{tid}", tid, text.splitlines(True)) for tid, text in files.items()]
    return [(e[1], e[2]) for e in Merged(listed, handlers, defaultdict(int), Replay())]


def test_files_with_times_are_merged_by_them():
    assert merged({7: "1700000010.1 munmap(1, 1) = 0\n1700000010.4 close(3) = 0\n", 8: "1700000010.2 close(4) = 0\n"}) == [
        (7, "munmap"), (8, "close"), (7, "close")]


def test_files_without_times_follow_their_clone():
    found = merged({7: "clone(child_stack=NULL, flags=SIGCHLD) = 8\nmunmap(1, 1) = 0\n", 8: "close(3) = 0\n"})
    assert found.index((8, "close")) > found.index((7, "clone"))


def test_a_vfork_parent_waits_for_its_childs_execve():
    found = merged({7: "vfork() = 8\nmunmap(1, 1) = 0\n", 8: 'close(3) = 0\nexecve("/bin/true", [], 0x1) = 0\nbrk(NULL) = 0x1000\n'})
    assert found.index((7, "munmap")) > found.index((8, "execve"))


@pytest.mark.parametrize("wait", ["wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 8",
                                  "waitid(P_PID, 8, {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=8}, WEXITED, NULL) = 0"])
def test_a_wait_follows_the_end_of_the_child_that_it_returns(wait):
    found = merged({7: f"fork() = 8\n{wait}\nunlink(\"x\") = 0\n", 8: 'openat(AT_FDCWD, "x", O_RDONLY) = 3\n+++ exited with 0 +++\n'})
    assert found == [(7, "fork"), (8, "openat"), (8, "+exited"), (7, "unlink")]


def test_a_wait_that_saw_a_stop_waits_for_nothing():
    found = merged({7: "fork() = 8\nwait4(8, [{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP}], WSTOPPED, NULL) = 8\nunlink(\"x\") = 0\n",
                    8: "close(3) = 0\n+++ exited with 0 +++\n"})
    assert found.index((7, "unlink")) < found.index((8, "close"))


def test_no_process_is_lost_whose_clone_is_not_in_the_log():
    assert {tid for tid, _ in merged({7: "close(3) = 0\n", 8: "close(3) = 0\n", 9: "close(3) = 0\n"})} == {7, 8, 9}
