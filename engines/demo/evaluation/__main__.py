"""`python -m engines.demo.evaluation`: the figures of MODEL_CARD.md that need no training data."""

from __future__ import annotations

import json
from pathlib import Path

import click

from engines.demo import demo_model_path
from engines.demo.evaluation.answers import Answer, Model
from engines.demo.evaluation.figures import (
    Share,
    acceptance,
    has_call,
    is_right,
    names_all,
    parse_outcomes,
    shares,
)
from engines.demo.evaluation.questions import (
    Question,
    common_tasks,
    explanation_tasks,
    hand_written,
    tool_requests,
    unseen_tasks,
)

ANSWER_TOKENS = 400
Asked = list[tuple[Question, Answer]]


def ask(model: Model, questions: list[Question]) -> Asked:
    return [(question, model.answer(question.prompt, ANSWER_TOKENS)) for question in questions]


def answer_figures(asked: Asked) -> dict[str, Share]:
    """Everything that is a share of the target's answers."""
    hand_written_groups = {question.group for question in hand_written()}
    outcomes: list[tuple[str, bool]] = []
    for question, answer in asked:
        if question.check:
            outcomes.append((f"functions right, {question.group}", is_right(question, answer)))
        elif question.group == "explanations":
            outcomes.append(("explanations that name the task", names_all(question, answer)))
        elif question.group == "tool calls":
            outcomes.append(("first tool call as expected", has_call(question, answer)))
        outcomes.append(("answers that end, all", answer.ended))
        if question.group in hand_written_groups:
            outcomes.append((f"answers that end, {question.group}", answer.ended))
    written = [answer for question, answer in asked if question.group in hand_written_groups]
    return shares([*parse_outcomes(written), *outcomes])


def draft_figures(draft: Model, asked: Asked) -> dict[str, Share]:
    """Acceptance by group of questions and over all."""
    groups: dict[str, list[Answer]] = {}
    for question, answer in asked:
        groups.setdefault(question.group, []).append(answer)
    found = {f"accepted, {name}": acceptance(draft, answers) for name, answers in groups.items()}
    whole = Share(sum(s.part for s in found.values()), sum(s.whole for s in found.values()))
    return found | {"accepted, all": whole}


file_path = click.Path(exists=True, path_type=Path)


@click.command()
@click.option("--target", type=file_path, default=demo_model_path("demo:target"))
@click.option("--draft", type=file_path, default=demo_model_path("demo:draft"))
@click.option("--tasks", default=200, show_default=True, help="Questions of each sort at most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
def main(target: Path, draft: Path, tasks: int, as_json: bool) -> None:
    """Measure the demonstration models, greedily, on the llama.cpp engine."""
    generated = [*unseen_tasks(tasks), *explanation_tasks(tasks), *tool_requests(tasks)]
    with Model(target) as model:
        asked = ask(model, [*hand_written()[:tasks], *common_tasks()[:tasks], *generated])
    with Model(draft) as model:
        figures = answer_figures(asked) | draft_figures(model, asked)
    sizes = {"target": target.stat().st_size, "draft": draft.stat().st_size}
    if as_json:
        shown = {name: share.to_json() for name, share in figures.items()}
        click.echo(json.dumps({"shares": shown, "size_bytes": sizes}, indent=1))
        return
    for name, share in figures.items():
        click.echo(f"{name}: {share}")
    for name, size_bytes in sizes.items():
        click.echo(f"size, {name}: {size_bytes / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
