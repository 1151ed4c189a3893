"""Builds llama.cpp's own programs from the source archive of the installed llama-cpp-python.

python -m tests.benchmarks.llama_cpp_tools --into build/llama.cpp-tools     about 5 minutes

The Python package brings the library alone. With these programs (`llama-bench` and
`llama-speculative-simple`) `llm-tui bench decode` and `bench speculative` compare with llama.cpp's
own measurements and its own speculation, of the same version and on the same files.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

import click

PACKAGE = "llama-cpp-python"
PROGRAMS = ("llama-bench", "llama-speculative-simple")
_SETTINGS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DGGML_NATIVE=ON",
    "-DLLAMA_CURL=OFF",
    "-DLLAMA_BUILD_SERVER=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
)


def build_tools(folder: Path, jobs: int) -> None:
    """Put the programs into `folder`.

    Raises:
        subprocess.CalledProcessError: the download or the compiler failed; it has said why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="llama-cpp-tools-") as name:
        work = Path(name)
        build = work / "build"
        source = _download_source(work) / "vendor" / "llama.cpp"
        _run("cmake", "-S", str(source), "-B", str(build), *_SETTINGS)
        _run("cmake", "--build", str(build), "--parallel", str(jobs), "--target", *PROGRAMS)
        for program in PROGRAMS:
            shutil.copy2(build / "bin" / program, folder / program)


def _download_source(work: Path) -> Path:
    """The source archive of the version that is installed, unpacked."""
    requirement = f"{PACKAGE}=={version(PACKAGE)}"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download")
    _run(*pip, "--no-binary", PACKAGE, "--no-deps", "--dest", str(work), requirement)
    [archive] = work.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(work, filter="data")
    [source] = (path for path in work.iterdir() if path.is_dir())
    return source


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


@click.command(help=__doc__.split("\n", 1)[0] if __doc__ else None)
@click.option(
    "--into",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the programs.",
)
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True)
def main(folder: Path, jobs: int) -> None:
    try:
        build_tools(folder, jobs)
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{Path(error.cmd[0]).name} failed; see above.") from error
    click.echo(f"Now: export LLM_TUI_LLAMA_CPP_TOOLS={folder.resolve()}")


if __name__ == "__main__":
    main()
