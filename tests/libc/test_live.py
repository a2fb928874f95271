"""Freshly drawn traces on the host's C library and on vmtool: every answer, the chunks at the end, and the minor faults."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.libc.heaps import Run, really, replayer, require_real_library

SIZES = ("small", "tcache", "bins", "any", "large")
TUNABLES = (
    "tcache_count=0", "tcache_count=3", "tcache_count=20", "tcache_max=200", "tcache_unsorted_limit=4", "mxfast=0", "mxfast=160",
    "mxfast=64", "mmap_threshold=65536", "mmap_max=3", "mmap_max=0", "trim_threshold=65536", "top_pad=4096", "top_pad=0", "perturb=85",
    "hugetlb=1", "arena_max=1")  # fmt: skip
OPTIONS = (
    "M_MMAP_THRESHOLD 50000", "M_MMAP_THRESHOLD 1000000", "M_TRIM_THRESHOLD 40000", "M_TRIM_THRESHOLD -1", "M_TOP_PAD 0",
    "M_TOP_PAD 70000", "M_MMAP_MAX 0", "M_MMAP_MAX 4", "M_MXFAST 0", "M_MXFAST 80", "M_MXFAST 161", "M_MXFAST -1", "M_PERTURB 7",
    "M_ARENA_TEST 0", "M_CHECK_ACTION 3")  # fmt: skip


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    require_real_library()
    directory = str(tmp_path_factory.mktemp("judge"))
    return replayer(directory), directory


def size_of(draw, kind):
    limit = {"small": 120, "tcache": 1100, "bins": 6000, "any": 40000, "large": 300000}[kind]
    return draw.randrange(limit) if draw.random() < 0.7 else int(limit * draw.random() ** 4)


def trace_of(seed, nr_ops, kind, foreign):
    """A program's life: sizes of one kind, and now and then anything else."""
    draw = random.Random(seed)
    lines = [f"tun glibc.malloc.{name} {value}" for name, value in (
        t.split("=") for t in draw.sample(TUNABLES, draw.choice((0, 0, 1, 1, 2, 4))))]
    live, lifetime = [], draw.choice((5, 50, 400))
    for n in range(nr_ops):
        one = kind if draw.random() < 0.9 else draw.choice(SIZES)
        what = draw.random()
        if what < 0.002:
            lines.append(f"opt {draw.choice(OPTIONS)}")
        elif what < 0.006:
            lines.append(f"trim {draw.choice((0, 0, 1, 4096, 100000))}")
        elif foreign and what < 0.012:
            lines.append(f"sbrk {draw.choice((16, 100, 4096, 65536, 5000))}")
        elif live and what < 0.5 * min(1, len(live) / lifetime) + 0.1:
            at = draw.randrange(len(live)) if draw.random() < 0.7 else -1
            lines.append(f"f {live.pop(at)}")
        elif live and what < 0.7:
            lines.append(f"r {draw.choice(live)} {size_of(draw, one) + 1}")
        elif what < 0.76:
            lines.append(f"a {n} {draw.choice((16, 24, 32, 48, 64, 128, 512, 1024, 4096, 8192))} {size_of(draw, one)}")
            live.append(n)
        elif what < 0.84:
            lines.append(f"c {n} {draw.choice((0, 1, 1, 2, 7, 40))} {size_of(draw, one)}")
            live.append(n)
        else:
            lines.append(f"m {n} {size_of(draw, one)}")
            live.append(n)
    return "\n".join(lines).encode() + b"\n"


def first_difference(mine, real):
    for i, (a, b) in enumerate(zip(mine, real, strict=False)):
        if a != b:
            return i, a, b
    return None if len(mine) == len(real) else (min(len(mine), len(real)), mine[len(real):][:1], real[len(mine):][:1])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 32), nr_ops=st.sampled_from((30, 300, 3000)), kind=st.sampled_from(SIZES),
       foreign=st.sampled_from((False, False, True)))
def test_a_drawn_trace_gives_what_the_real_library_gives(judge, seed, nr_ops, kind, foreign):
    trace = trace_of(seed, nr_ops, kind, foreign)
    run = Run(trace)
    real = really(*judge, trace, "log").splitlines()
    mine = (run.log + "".join(line + "\n" for line in run.final.splitlines() if not line.startswith("@ stats"))).splitlines()
    assert first_difference(mine, real) is None
    assert run.faults == int(really(*judge, trace, "faults"))
    assert run.machine.fsck() == []
