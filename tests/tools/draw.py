"""Texts of /proc/meminfo and options of free, drawn at random; the options of pmap, all of them."""

FLAGS = {"-w": "wide", "-t": "total", "-l": "lohi", "-v": "committed", "--si": "si"}
UNIT_FLAGS = {"-b": "b", "-k": "k", "-m": "m", "-g": "g", "--tebi": "t", "--pebi": "p", "-h": "h"}
LABELS = (
    "MemTotal MemFree MemAvailable Buffers Cached SwapTotal SwapFree Shmem SReclaimable "
    "LowTotal LowFree HighTotal HighFree CommitLimit Committed_AS"
).split()


def synthetic(rng):
    """A meminfo whose figures lie near the places where rounding turns, or anywhere; some lines are missing."""
    lines = [f"{label + ':':<16}{figure(rng):8} kB\n" for label in LABELS if rng.random() < 0.85]
    return "".join(lines) or "MemTotal: 1 kB\n"


def figure(rng):
    kind = rng.random()
    if kind < 0.1:
        return 0
    if kind < 0.6:
        unit = 1 << rng.choice((0, 10, 20, 30)) if kind < 0.4 else 1000 ** rng.choice((0, 1, 2, 3)) / 1.024
        number = rng.choice((9.95, 99.95, 999.5, 1023.9, rng.randint(0, 110) / 10 + 0.05, rng.randint(1, 10500) / 10))
        return max(0, int(number * unit) + rng.randint(-2, 2))
    return rng.randint(0, 1 << rng.randint(1, 38))


def drawn_words(rng):
    unit = rng.choice([[], *([flag] for flag in UNIT_FLAGS)] + [["-h"]] * 4)
    return unit + [flag for flag in FLAGS if rng.random() < 0.4]


PMAP_WORDS = [
    [word for word in (detail, quiet, path) if word]
    for detail in ("", "-d", "-x", "-X", "-XX")
    for quiet in ("", "-q")
    for path in ("", "-p")
]
