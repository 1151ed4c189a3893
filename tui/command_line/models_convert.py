"""`llm-tui models convert`: another quantization, or a model folder for MLX."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tui.command_line.failure import INTERRUPTED, WrongUse
from tui.command_line.options import debug_option, json_option
from tui.command_line.printing import print_json

if TYPE_CHECKING:
    from engines.model_files.conversion_plan import MlxRecipe

BITS = ("2", "3", "4", "5", "6", "8", "none")
RECIPES = ("mixed_2_6", "mixed_3_4", "mixed_3_6", "mixed_4_6")


@click.command("convert")
@click.argument("model", metavar="MODEL")
@click.option("--to", "form", type=click.Choice(["mlx", "gguf"]), required=True, help="Format.")
@click.option("--bits", type=click.Choice(BITS), metavar="N|none", help="MLX: bits per weight (4).")
@click.option(
    "--group-size", type=click.Choice(["32", "64", "128"]), help="MLX: weights with one scale (64)."
)
@click.option("--recipe", type=click.Choice(RECIPES), help="MLX: more bits where they matter.")
@click.option("--quant", metavar="TYPE", help="GGUF: such as Q4_K_M.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File or folder to write.")
@json_option
@debug_option
@click.pass_context
def convert(
    ctx: click.Context,
    model: str,
    form: str,
    bits: str | None,
    group_size: str | None,
    recipe: str | None,
    quant: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Convert MODEL, which must be on this machine, and print where the result lies.

    To MLX from safetensors, or from a GGUF file of the llama and qwen families. To GGUF from a GGUF
    file in F32, F16, BF16 or Q8_0. Nothing is overwritten.
    """
    from engines.model_files.conversion_plan import plan_conversion
    from engines.model_files.convert import convert as carry_out
    from tui.command_line.work_line import WorkLine
    from tui.model_folders import made_models_folder

    target = _mlx_recipe(bits, group_size, recipe, quant) if form == "mlx" else quant
    if target is None or (form == "gguf" and any((bits, group_size, recipe))):
        raise WrongUse("--to gguf goes with --quant alone.", "Write: --to gguf --quant Q4_K_M")
    target = target.upper() if isinstance(target, str) else target
    plan = plan_conversion(model, target, made_models_folder(), output)
    if plan.note:
        click.echo(plan.note, err=True)
    try:
        with WorkLine() as line:
            done = carry_out(plan, line.report, lambda: False)
    except KeyboardInterrupt:
        click.echo("Stopped; nothing was written.", err=True)
        ctx.exit(INTERRUPTED)
    if as_json:
        print_json({"source": str(plan.source), "output": str(done), "note": plan.note})
    else:
        click.echo(done)
        click.echo(f"Chat with it: llm-tui --model {done}", err=True)


def _mlx_recipe(
    bits: str | None, group_size: str | None, recipe: str | None, quant: str | None
) -> MlxRecipe:
    from engines.model_files.conversion_plan import MlxRecipe

    if quant:
        raise WrongUse("--quant is for GGUF.", "For MLX write --bits or --recipe.")
    if recipe and bits:
        raise WrongUse("Give --bits or --recipe, not both.")
    count = None if bits == "none" else int(bits or 4)
    return MlxRecipe(count, int(group_size or 64), recipe or "")
