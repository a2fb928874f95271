"""execve of a log: which program it was, with what start, and the simulated process that it makes.

What is modelled: bprm_execve() as far as it decides the first maps (Linux v6.12 fs/exec.c, fs/binfmt_script.c): `#!` scripts are
followed to
their interpreter, descriptors marked close-on-exec are closed, other threads end, a shared address space is left.
The size of the argument and environment strings comes from the sidecar, else from the line; where it shows only `/* 5 vars */`, the
usual size of a variable is assumed, which decides the stack's first size only near a page's edge.
Simplified: the strings themselves are those of the line, the environment's is empty when the line does not show it.
"""

import posixpath
from itertools import dropwhile, islice

from vmtool.errors import KernelError
from vmtool.images import ExecLayout, Image
from vmtool.strace import files, parser
from vmtool.strace.context import Context
from vmtool.strace.guess import bits_shown, program
from vmtool.strace.layout import (
    Layout,
    clues,
    elsewhere,
    first_clues,
    infer,
    is_randomized,
    without_program,
)
from vmtool.strace.lexer import Event
from vmtool.strace.lines import WHOLE
from vmtool.strace.procs import Process, Space
from vmtool.strace.reader import NEAR
from vmtool.uapi import ADDR_COMPAT_LAYOUT, ADDR_NO_RANDOMIZE

MAX_SCRIPTS = 5
BITS_SEEN = 8  # lines after an execve that may say how many bits it has
HABITS_SEEN = 300  # lines of a program that tell how it treats memory
FAR = 20_000  # lines that may come before the program's own RELRO part is protected
ENDS_PROGRAM = frozenset({"execve", "exit_group", "+exited", "+killed"})
USUAL_VARIABLE_BYTES = 24


def do_execve(r: Context, p: Process, text: str, tid: int) -> None:
    """A program starts; a failed execve changed nothing."""
    args, result = parser.split(text)
    if result.value != 0 or result.errno:
        return
    where = p.cwd.path
    at = ""
    if len(args) > 3:  # execveat
        at, where = args[0], files.directory(r, p, args[0])
        args = args[1:]
    try:
        path = parser.path_of(args[0])
    except ValueError:
        path = ""  # cut short, or an address (-e raw)
    argv, _ = parser.strings(args[1]) if len(args) > 1 else ([], False)
    env, string_bytes = _environment(args[2] if len(args) > 2 else "")
    if at and path == "":  # AT_EMPTY_PATH: the file behind the descriptor
        opened = r.opened(p, parser.fd_of(at))
        real = opened.file.path if opened is not None and opened.file is not None else ""
        path = f"/dev/fd/{parser.fd_of(at).number}"
        name = real.rsplit("/", 1)[-1][:15]
    else:
        r.origin.path(r.line, path)
        if len(args) > 2 and args[2][:2] == "0x":
            r.origin.stack(r.line, parser.address(args[2].split(" ")[0]))
        real = files.resolve(r, p, path, where)
        name = path.rsplit("/", 1)[-1][:15]
    image, argv = _program(r, p, real, path, argv)
    p.env_bytes, p.arg_bytes = string_bytes, sum(len(a) + 1 for a in argv)
    string_bytes += p.arg_bytes
    following = _next_lines(r, p, tid)
    bits = _bits(r, p)
    shown = bits_shown(following, bits, r.geometry)
    if image is not None and shown and image.is_32 != (shown == 32):
        r.summary.note(f"{real}: the log's has {shown} bits, the one that is known has not")
        image = None
    layout = _layout(r, p, image, following, string_bytes, tid)
    is_guessed = image is None and real != ""
    if is_guessed:
        image, layout = _guess(r, real, following, bits, layout)
    _start(r, p, name, image, argv or [name.encode()], env, layout)
    p.space.is_guessed = is_guessed
    p.fds.on_exec()
    p.name, p.exe = name, image.path if image is not None else real
    p.nr_execs += 1
    for other in [t for t in p.tids if t not in (p.pid, tid, 0)]:
        r.procs.end_thread(p, other)
    r.writes.after_exec(p.space, following, not r.facts.raw_io)
    if r.hooks.at_exec:
        r.hooks.at_exec(p)


def _bits(r: Context, p: Process) -> str:
    """How many bits the program has, where strace says so; else nothing."""
    assert r.reader is not None
    near = islice(r.reader.ahead(), BITS_SEEN)
    return next((text for _, tid, name, text, _ in near if name == "+bits" and (p.pid == 0 or tid == p.pid)), "")


def _guess(r: Context, real: str, following: list[Event], bits: str, layout: ExecLayout) -> tuple[Image, ExecLayout]:
    """An image for a program that nobody knows, and its layout; what is known of the process goes before."""
    guess = program(posixpath.join("/", posixpath.normpath(real)), following, bits,
                    r.geometry)
    r.summary.note(guess.said)
    person = guess.layout.personality if layout.personality is None else layout.personality
    return guess.image, guess.layout._replace(string_bytes=layout.string_bytes, rlimit_stack=layout.rlimit_stack, personality=person)


def _environment(text: str) -> tuple[list[bytes], int]:
    """(the strings when the line shows them whole, their size as far as they are not)."""
    if text.startswith("["):
        env, _ = parser.strings(text)
        return env, sum(len(e) + 1 for e in env)
    _, _, count = text.partition("/* ")
    digits = count.split(" ")[0]
    return [], int(digits) * USUAL_VARIABLE_BYTES if digits.isdigit() else 0


def _program(r: Context, p: Process, real: str, path: str, argv: list[bytes]) -> tuple[Image | None, list[bytes]]:
    """The ELF program that runs in the end, and its arguments."""
    for _ in range(MAX_SCRIPTS):
        script = r.facts.script(real)
        if script is None:
            break
        words = script.strip().split(None, 1)
        if not words:
            break
        argv = [w.strip().encode() for w in words] + [path.encode("utf-8", "surrogateescape"), *argv[1:]]
        path = words[0]
        real = r.names.real(path, p.cwd.path)
    image = r.facts.image(real)
    if image is None and not real:
        r.summary.note("execve: the log does not show which program it was")
    return image, argv


def _layout(r: Context, p: Process, image: Image | None, following: list[Event], string_bytes: int, tid: int) -> ExecLayout:
    fact = r.facts.exec_fact(p.pid or r.facts.root, p.nr_execs)
    limit, person = p.rlimit_stack, p.personality
    if fact is not None:
        string_bytes = fact.string_bytes if fact.string_bytes is not None else string_bytes
        limit = fact.rlimit_stack if fact.rlimit_stack is not None else limit
        person = fact.personality if fact.personality is not None else person
    place = Layout()
    if image is None:
        place = without_program(first_clues(following, r.geometry), r.geometry)
    elif fact is None or fact.personality is None or not fact.personality & ADDR_NO_RANDOMIZE:
        found = first_clues(following, r.geometry)
        if is_randomized(image, found, person or 0, r.geometry):
            place = infer(image, clues(following, r.geometry), r.geometry)
            if image.is_dyn and place.exe_base is None:  # very many libraries: their lines come first
                place = infer(image, clues(_next_lines(r, p, tid, FAR), r.geometry), r.geometry)
            person = (person or 0) & ~ADDR_NO_RANDOMIZE | (ADDR_COMPAT_LAYOUT if place.is_bottom_up else 0)
            r.summary.note("addresses were randomized: the place of the stack is not in the log")
            if place.mmap_base is None:
                r.summary.note(f"{image.path}: randomized, and no line tells where")
        else:
            person = (person or 0) | ADDR_NO_RANDOMIZE
            if limit is None and not person & ADDR_COMPAT_LAYOUT:
                place = elsewhere(image, found, person, r.geometry)
                if place.is_bottom_up:
                    place, person = Layout(), person | ADDR_COMPAT_LAYOUT
    p.personality, p.rlimit_stack = person, limit
    string_bytes += len(image.path) + 1 if image is not None else 0
    return ExecLayout(mmap_base=place.mmap_base, exe_base=place.exe_base, interp_base=place.interp_base, vdso=place.vdso,
                      start_brk=place.start_brk, stack_top=None, stack_vma_start=None, string_bytes=string_bytes, rlimit_stack=limit,
                      personality=person)


def _next_lines(r: Context, p: Process, tid: int, most: int = HABITS_SEEN) -> list[Event]:
    """The calls of the new program that follow, up to its next execve or its end. A thread's execve goes on under the process's number."""
    found: list[Event] = []
    assert r.reader is not None
    near = max(NEAR, most)
    events = r.reader.of(tid, near)
    if tid and p.pid and tid != p.pid and p.pid in p.tids:
        events = dropwhile(lambda event: event[2] == "+superseded" or event[4] != WHOLE, r.reader.of(p.pid, near))
    for event in events:
        if event[2] in ENDS_PROGRAM and found:
            break
        found.append(event)
        if len(found) >= most:
            break
    return found


def _start(r: Context, p: Process, name: str, image: Image | None, argv: list[bytes], env: list[bytes], layout: ExecLayout) -> None:
    """The simulated process gets the program; one that shared its memory gets a space of its own first."""
    old = p.space
    if old.mid:
        r.look_before_exec(p)

    def start(image: Image | None, layout: ExecLayout | None) -> int:
        if old.mid and old.users == 1:
            r.machine.exec(old.mid, name, image, argv, env, layout)
            return old.mid
        mid: int = r.machine.spawn(name, image, argv, env, layout, p.pid)
        return mid

    try:
        mid = start(image, layout)
    except (KernelError, OverflowError) as refused:  # a sidecar's headers, or a layout that the log's lines do not allow
        r.summary.note(f"{image.path if image is not None else name}: cannot be started as it is described ({refused})")
        mid = start(None, None)
    if mid != old.mid:
        r.leave(old)
    p.space = Space(mid)
    p.space.is_32 = bool(image and image.is_32)
    if layout.rlimit_stack is not None:
        try:
            r.machine.setrlimit(mid, 3, None if layout.rlimit_stack < 0 else layout.rlimit_stack)
        except KernelError:
            pass
