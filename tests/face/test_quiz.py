"""The quiz: each answer asked again of a machine in a file, by other commands; what --check marks."""

import json
import re
import shutil

import pytest

from vmtool.cli import front
from vmtool.face import quiz


@pytest.fixture
def vmtool(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        status = front.run(list(words))
        return status, *capfd.readouterr()

    return run


def answer(vmtool, text):
    """What other commands say to a question."""
    pid = re.search(r"process (\d+)|Process (\d+)|/proc/(\d+)/|$", text).group(1, 2, 3)
    pid = next((word for word in pid if word), "")
    addr = (re.findall(r"0x([0-9a-f]+)", text) or [""])[0]

    def told(*words):
        return json.loads(vmtool(*words, "--json")[1])

    def area(areas):
        return next(a for a in areas if int(a["address"], 16) <= int(addr, 16) < int(a["end_address"], 16))

    if text.startswith("Which line"):
        line = area(told("cat-maps", pid))
        return f"{line['address'][2:]}-{line['end_address'][2:]} {line['perms']}"
    if "minor faults" in text:
        verb, nr = re.search(r"(reads|writes to) (\d) pages", text).groups()
        shutil.copy("machine.vmt", "copy.vmt")
        status, out, _ = vmtool("-s", "copy.vmt", "touch", pid, addr, f"{int(nr) * 4}K", "-r" if verb == "reads" else "-w")
        assert status == 0
        return " ".join(re.findall(r"\d+", out))
    if "Which signal" in text:
        shutil.copy("machine.vmt", "copy.vmt")
        flag = {"reads": "-r", "writes": "-w", "executes": "-x"}[re.search(r"(reads|writes|executes) the byte", text)[1]]
        status, _, err = vmtool("-s", "copy.vmt", "touch", pid, addr, flag)
        found = re.search(r"(SIG\w+) at \S+ \((\w+)\)", err)
        return f"{found[1]} {found[2]}" if found else "none"
    if "In which level" in text:
        walk = told("pagewalk", pid, addr)
        return "none" if walk["physical_address"] else walk["steps"][-1]["level"]
    if "which bits are set" in text:
        step = told("pagewalk", pid, addr)["steps"][-1]
        return " ".join(bit for bit in ("P", "RW", "D") if bit in step["flags"] and step["level"] == "pte") or "-"
    if "Pss" in text:
        return str(area(told("smaps", pid))["pss_kb"])
    if "are resident" in text:
        status = told("status", pid)
        return f"{status['rss_anon_kb'] // 4} {status['rss_file_kb'] // 4}"
    if "Which entry of the" in text:
        shift = {"pte": 12, "pmd": 21, "pud": 30, "pgd": 39}[re.search(r"the (\w+) table", text)[1]]
        return str(int(addr, 16) >> shift & 511)
    assert "How many entries" in text
    pfn = int(told("pagewalk", pid, addr)["physical_address"], 16) >> 12
    count = 0
    for process in told("ps"):
        for run in told("pagemap", str(process["pid"])):
            count += run["pfn"] is not None and run["pfn"] <= pfn < run["pfn"] + run["nr_pages"]
    return str(count)


@pytest.mark.parametrize("seed", range(5))
def test_every_answer_is_what_other_commands_say(vmtool, tmp_path, seed):
    shown = json.loads(vmtool("quiz", "--seed", str(seed), "--questions", "12", "--solve", "--json")[1])
    (tmp_path / "s.vmt").write_text("\n".join(shown["script"]))
    assert vmtool("run", "s.vmt")[::2] == (0, "")
    assert len(shown["questions"]) == 12
    for question in shown["questions"]:
        wanted = answer(vmtool, question["question"])
        assert question["answer"] == wanted, question["question"]


@pytest.mark.parametrize("seed", range(30))
def test_no_line_of_a_scenario_fails(vmtool, tmp_path, seed):
    (tmp_path / "s.vmt").write_text("\n".join(quiz.scenario(quiz.Draw(seed))))
    assert vmtool("run", "s.vmt")[::2] == (0, "")


def test_check_marks_and_exits(vmtool, tmp_path):
    paper = vmtool("quiz", "--seed", "5")[1]
    assert not re.search(r"(?m)^ +\d+: ", paper)
    solved = vmtool("quiz", "--seed", "5", "--solve")[1]
    answers = dict(re.findall(r"(?m)^   (\d+): (.*)$", solved))
    assert len(answers) == 9
    sheet = tmp_path / "answers"
    sheet.write_text("my answers\n" + "".join(f" {number}:  {text.upper()} \n" for number, text in answers.items()))
    status, out, err = vmtool("quiz", "--seed", "5", "--check", "answers")
    assert (status, err) == (0, "") and out.endswith("9 of 9 right\n")
    sheet.write_text("".join(f"{number}: {text}\n" for number, text in answers.items() if number != "3") + "4: nonsense\n")
    status, out, _ = vmtool("quiz", "--seed", "5", "--check", "answers")
    assert status == 1 and "3: no answer\n4: wrong\n" in out and out.endswith("7 of 9 right\n")
    assert all(text not in out for text in answers.values() if len(text) > 2)
    assert vmtool("quiz", "--seed", "5", "--check", "nowhere")[0] == 1
    assert vmtool("quiz", "--questions", "0")[0] == 2


def test_it_needs_and_changes_no_machine(vmtool, tmp_path):
    vmtool("quiz")
    assert list(tmp_path.iterdir()) == []
    vmtool("spawn")
    before = (tmp_path / "machine.vmt").read_bytes()
    assert vmtool("quiz", "--seed", "3")[1] == vmtool("-s", "other.vmt", "quiz", "--seed", "3")[1]
    assert (tmp_path / "machine.vmt").read_bytes() == before
