"""Handler of quiz: the scenario runs on a machine in memory, which answers the questions."""

from __future__ import annotations

from vmtool.cli import json_text, pages
from vmtool.cli.report import Result
from vmtool.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool.cli.execute import Settings
    from vmtool.cli.report import Output

MOST_QUESTIONS = 50
MOST_BYTES = 1 << 20  # of a file of answers
WRONG = 1


def quiz(settings: Settings, seed: int, questions: int, solve: bool, check: str | None, json: bool) -> Output:
    from vmtool.face import quiz as paper

    if not 1 <= questions <= MOST_QUESTIONS:
        raise UsageError(f"--questions: {questions} is not from 1 to {MOST_QUESTIONS}")
    draw = paper.Draw(seed)
    lines = paper.scenario(draw)
    with pages.run_lines(settings, lines, f"quiz {seed}") as machine:
        asked = paper.questions(machine, draw, questions)
    if check is not None:
        return _marked(asked, _answers(check), json)
    if json:
        shown = [
            {"index": number, "question": question.text, "form": question.form, **({"answer": question.answer} if solve else {})}
            for number, question in enumerate(asked, 1)
        ]
        return json_text.text({"seed": seed, "script": lines, "questions": shown})
    return "".join([line + "\n" for line in paper.render(seed, lines, asked, solve)])


def _answers(path):
    from vmtool.face.quiz import answers_of
    from vmtool.outside.host import read_file

    return answers_of(read_file(path, MOST_BYTES).data.decode("utf-8", "replace"))


def _marked(asked, given, json):
    """Right or wrong, without the answer; exit status 0 when all are right."""
    from vmtool.face.quiz import is_right

    right = [number in given and is_right(question, given[number]) for number, question in enumerate(asked, 1)]
    status = 0 if all(right) else WRONG
    if json:
        marks = [{"index": number, "is_right": is_so} for number, is_so in enumerate(right, 1)]
        return Result(json_text.text({"nr_right": sum(right), "nr_questions": len(asked), "questions": marks}), status)
    words = [f"{number}: {'right' if is_so else 'wrong' if number in given else 'no answer'}\n" for number, is_so in enumerate(right, 1)]
    return Result("".join(words) + f"{sum(right)} of {len(asked)} right\n", status)
