"""Functions in processes of their own: as another user, at the same time, or to be killed."""

import os
import pickle
import traceback

NOBODY = 65534


def start(function):
    """Run a function in a forked child. Returns: its PID and the descriptor that its result comes from."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    try:
        result = (True, function())
    except BaseException:
        result = (False, traceback.format_exc())
    with open(writing, "wb") as pipe:
        pickle.dump(result, pipe)
    os._exit(0)


def finish(child):
    """Wait for a child of start(). Returns: what its function returned."""
    pid, reading = child
    with open(reading, "rb") as pipe:
        data = pipe.read()
    os.waitpid(pid, 0)
    assert data, "the child died"
    is_good, result = pickle.loads(data)
    assert is_good, result
    return result


def run_as_nobody(path, function):
    """Run a function in a child to which permissions apply; root may do anything, so it becomes another user.

    `path`: a file that the child must be able to reach; None when permissions do not matter.
    """

    def unprivileged():
        if os.getuid() == 0 and path is not None:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        return function()

    if path is not None:
        directory = os.path.dirname(path)
        while directory != "/":
            mode = os.stat(directory).st_mode
            if not mode & 0o001 and os.stat(directory).st_uid == os.getuid():
                os.chmod(directory, mode | 0o001)
            directory = os.path.dirname(directory)
    return finish(start(unprivileged))
