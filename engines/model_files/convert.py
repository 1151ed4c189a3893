"""Carries out a conversion: complete, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from engines.base import Cancelled
from engines.errors import ModelLoadError
from engines.events import LoadProgress
from engines.model_files.conversion_plan import ConversionPlan, MlxRecipe
from engines.registry import why_unavailable


def convert(
    plan: ConversionPlan, report: Callable[[LoadProgress], None], cancelled: Cancelled
) -> Path | None:
    """Write `plan.output`.

    Returns:
        The output, or None where it was cancelled and nothing is left of it.

    Raises:
        EngineUnavailable: the library that converts is not installed.
        ModelLoadError: it cannot read the source or write the output.
    """
    library = "mlx" if isinstance(plan.target, MlxRecipe) else "llama.cpp"
    if (reason := why_unavailable(library)) is not None:
        raise reason
    partial = plan.output.with_name(f".{plan.output.name}.incomplete")
    _discard(partial)
    try:
        plan.output.parent.mkdir(parents=True, exist_ok=True)
        if not _write(plan, partial, report, cancelled):
            return None
        partial.rename(plan.output)
    except OSError as error:
        raise ModelLoadError(
            f"{plan.output} cannot be written: {error.strerror or error}.",
            "Check the disk, or name another --output.",
        ) from error
    finally:
        _discard(partial)
    report(LoadProgress("done", 1.0))
    return plan.output


def _write(
    plan: ConversionPlan,
    partial: Path,
    report: Callable[[LoadProgress], None],
    cancelled: Cancelled,
) -> bool:
    if isinstance(plan.target, MlxRecipe):
        from engines.mlx.conversion import write_mlx_folder

        return write_mlx_folder(plan.source, partial, plan.target, report, cancelled)
    from engines.llama_cpp.quantization import quantize_in_own_process

    return quantize_in_own_process(plan.source, partial, plan.target, report, cancelled)


def _discard(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
