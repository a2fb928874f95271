"""What holds for every test: a pinned environment, and nothing skipped in silence.

A prerequisite of the host that is missing (root, strace, FUSE, QEMU, a Linux kernel) skips a test with a sentence;
the end of the run lists these. With VMTOOL_REQUIRE_HOST=1 they fail instead.
What hypothesis draws is the same each time, so that one tree has one verdict; with VMTOOL_DRAW=fresh it is new each time.
"""

import os
import resource

import pytest
from hypothesis import settings

PINNED = {"LC_ALL": "C", "TZ": "UTC", "COLUMNS": "80", "PYTHONHASHSEED": "0", "VMTOOL_SYNC": "off"}
KEPT = {"VMTOOL_DEBUG", "VMTOOL_QUICK", "VMTOOL_REQUIRE_HOST", "VMTOOL_DRAW", "VMTOOL_DRAWN_N", "VMTOOL_QEMU_N"}
settings.register_profile("fixed", derandomize=True, database=None)
if os.environ.get("VMTOOL_DRAW") != "fresh":
    settings.load_profile("fixed")

for name in [name for name in os.environ if name.startswith("VMTOOL_") and name not in KEPT]:
    del os.environ[name]
os.environ.update(PINNED)

ADDRESS_SPACE = resource.getrlimit(resource.RLIMIT_AS)[0]
REQUIRE_HOST = os.environ.get("VMTOOL_REQUIRE_HOST", "0") not in ("", "0")


@pytest.fixture(autouse=True)
def no_fence():
    """A command that ran in this process put a limit on its memory (cli/bounds.py), which programs that later tests start would have."""
    yield
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, resource.getrlimit(resource.RLIMIT_AS)[1]))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    refuse_skip(outcome.get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    outcome = yield
    refuse_skip(outcome.get_result())


def refuse_skip(report):
    """Under VMTOOL_REQUIRE_HOST a skip is a failure; an expected failure, which pytest counts as skipped too, stays."""
    if REQUIRE_HOST and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"VMTOOL_REQUIRE_HOST is set, and this did not run. {reason_of(report)}"


def reason_of(report):
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter):
    """Once for each reason, as the same one stops many tests."""
    reasons = {}
    for report in terminalreporter.stats.get("skipped", []):
        reasons.setdefault(reason_of(report), []).append(report.nodeid.split("::")[0])
    if reasons:
        terminalreporter.section("not run here")
    for reason, files in sorted(reasons.items()):
        terminalreporter.line(f"{len(files):4} in {', '.join(sorted(set(files)))}: {reason}")
