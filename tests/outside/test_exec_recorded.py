"""Processes at their first instruction as a 6.18 kernel showed them (fixtures/exec): runs everywhere."""

from pathlib import Path

import pytest

from tests.outside import exec_views as views

core = pytest.importorskip("vmtool._core")
FIXTURES = Path(__file__).parents[2] / "fixtures" / "exec"
NAMES = sorted(path.name for path in FIXTURES.iterdir() if path.is_dir())


@pytest.fixture
def process(request):
    """(machine, pid, recorded texts) of one recorded program."""
    texts = {path.name: path.read_text() for path in (FIXTURES / request.param).iterdir()}
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30)
    argv = texts["argv"].rstrip("\n")
    pid = machine.spawn(request.param, views.image_from_json(texts["image.json"]), [argv.encode()], [])
    return machine, pid, texts


@pytest.mark.parametrize("process", NAMES, indirect=True)
def test_views_are_what_the_kernel_showed(process):
    from vmtool.procfs import pid_maps, pid_smaps, pid_stat, pid_statm, pid_status

    machine, pid, texts = process
    mm = machine.mm(pid)
    assert pid_maps.render(machine.maps(pid)) == texts["maps"]
    assert pid_smaps.render(machine.smaps(pid)) == texts["smaps"]
    assert views.memory_lines(pid_status.render(machine.task(pid), mm, 1, 12)) == texts["status"]
    assert pid_statm.render(mm, 12) == texts["statm"]
    assert views.stat_facts(pid_stat.render(machine.task(pid), mm, 12)) == texts["stat"]


@pytest.mark.parametrize("process", NAMES, indirect=True)
def test_the_auxiliary_vector_points_where_the_kernels_does(process):
    machine, pid, texts = process
    assert views.auxv_facts(machine.mm(pid).auxv) == texts["auxv"]


def test_every_recorded_program_is_described_whole():
    assert {"cat", "static", "static-pie", "no-pie", "pie"} <= set(NAMES)
    for name in NAMES:
        image = views.image_from_json((FIXTURES / name / "image.json").read_text())
        assert image.segments, name
