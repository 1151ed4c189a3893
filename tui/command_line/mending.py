"""The command that makes a missing engine work on this machine."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec

from engines.hardware import Machine
from engines.hardware_probes import GPU

LLAMA_CPP = "'llama-cpp-python>=0.3.36,<0.4'"
MLX_LM = "'mlx-lm>=0.32.2,<0.33'"
_COMPILERS = ("cc", "gcc", "clang")
_PACKAGE_MANAGERS = {
    "apt-get": "sudo apt-get install -y build-essential",
    "dnf": "sudo dnf install -y gcc-c++ make",
    "pacman": "sudo pacman -S --needed base-devel",
    "zypper": "sudo zypper install -y gcc-c++ make",
    "apk": "sudo apk add build-base linux-headers",
}
ARM64_PYTHON = (
    "This Python is built for Intel and runs translated by Rosetta. Install one for Apple Silicon:"
    " arch -arm64 brew install python, then install llm-tui again with it."
)

Which = Callable[[str], str | None]


def mend_engine(engine: str, machine: Machine, which: Which = shutil.which) -> str:
    """One line of shell (or a sentence) that makes `engine` work here."""
    if machine.is_translated:
        return ARM64_PYTHON
    if engine == "mlx":
        return f"{_pip()} {MLX_LM} {_mlx_build(machine)}"
    steps = [] if any(which(name) for name in _COMPILERS) else [_install_compiler(machine, which)]
    arguments = 'CMAKE_ARGS="-DGGML_CUDA=on" ' if machine.gpu is GPU.CUDA else ""
    steps.append(f"{arguments}{_pip()} --force-reinstall --no-cache-dir {LLAMA_CPP}")
    return " && ".join(steps)


def _mlx_build(machine: Machine) -> str:
    if machine.system == "Darwin":
        return "'mlx>=0.32,<0.33'"
    return "'mlx[cuda]>=0.32,<0.33'" if machine.gpu is GPU.CUDA else "'mlx[cpu]>=0.32,<0.33'"


def _install_compiler(machine: Machine, which: Which) -> str:
    if machine.system == "Darwin":
        return "xcode-select --install"
    known = (command for name, command in _PACKAGE_MANAGERS.items() if which(name))
    return next(known, _PACKAGE_MANAGERS["apt-get"])


def _pip() -> str:
    """The install command of this environment; those made by uv have no pip of their own."""
    if find_spec("pip") is None:
        return f"uv pip install --python {sys.executable}"
    return f"{sys.executable} -m pip install"
