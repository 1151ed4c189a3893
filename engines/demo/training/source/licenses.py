"""Which installed distributions may be trained on, as their package metadata says.

The licenses are read from metadata; nobody reviewed them legally.
"""

from __future__ import annotations

import importlib.metadata as metadata
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

PERMISSIVE = re.compile(
    r"\b(MIT|BSD|Apache|PSF|Python Software Foundation|ISC|HPND|0BSD|Zlib|Unlicense|CC0|NCSA)\b",
    re.I,
)
NOT_PERMISSIVE = re.compile(
    r"\bA?L?GPL|MPL|Mozilla|Proprietary|NVIDIA|EULA|NonCommercial|-NC|EUPL", re.I
)
LICENSED_BY_PROJECT = {
    "torch": "BSD-3-Clause",
    "numpy": "BSD-3-Clause",
    "scipy": "BSD-3-Clause",
    "pandas": "BSD-3-Clause",
    "scikit-learn": "BSD-3-Clause",
    "sympy": "BSD-3-Clause",
    "matplotlib": "PSF-based (matplotlib)",
    "statsmodels": "BSD-3-Clause",
    "scikit-image": "BSD-3-Clause",
    "networkx": "BSD-3-Clause",
}
SKIPPED_DISTRIBUTIONS = re.compile(r"^(nvidia|cuda[-_]|pip$|setuptools$|opencv)", re.I)
SKIPPED_PATHS = re.compile(
    r"(_vendor|/vendor/|third_party|externals|/node_modules/|_pb2\.py$|/locale/|parsetab|lextab"
    r"|/site-packages/bin/)"
)
SKIPPED_STDLIB = {"site-packages", "dist-packages", "__pycache__", "test", "tests", "idle_test"}


class SourceFile(NamedTuple):
    """A file that may be trained on; `name` is its path inside its distribution."""

    path: str
    name: str
    distribution: str


class Provenance(NamedTuple):
    """One distribution, its license as read, and how many of its files were listed."""

    package: str
    license: str
    files: int


def first_field(fields: metadata.PackageMetadata, name: str) -> str:
    return (fields.get_all(name) or [""])[0]


def license_of(distribution: metadata.Distribution) -> str | None:
    """The distribution's license when it is a permissive one, otherwise None."""
    fields = distribution.metadata
    name = (fields["Name"] or "").lower()
    if name in LICENSED_BY_PROJECT:
        return LICENSED_BY_PROJECT[name]
    classifiers = [
        text.split("::")[-1].strip()
        for text in fields.get_all("Classifier") or []
        if text.startswith("License ::")
    ]
    text = (
        first_field(fields, "License-Expression")
        or "; ".join(text for text in classifiers if text != "OSI Approved")
        or first_field(fields, "License").strip()[:200]
    )
    if not text or NOT_PERMISSIVE.search(text) or not PERMISSIVE.search(text):
        return None
    return text.replace("\n", " ")[:80]


def stdlib_files() -> Iterator[SourceFile]:
    """The modules of the running interpreter's standard library, tests left out."""
    root = sysconfig.get_paths()["stdlib"]
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_STDLIB)
        for name in sorted(names):
            if name.endswith(".py"):
                path = Path(folder) / name
                yield SourceFile(str(path), str(path.relative_to(root)), "stdlib")


def distribution_files(distribution: metadata.Distribution) -> Iterator[SourceFile]:
    """The distribution's own Python files: no vendored, generated or locale files."""
    for file in distribution.files or []:
        name = str(file)
        if (
            name.endswith(".py")
            and not name.startswith("..")
            and not SKIPPED_PATHS.search("/" + name)
        ):
            yield SourceFile(
                str(distribution.locate_file(file)), name, distribution.metadata["Name"]
            )


def installed_distributions() -> Iterable[metadata.Distribution]:
    """Every installed distribution but those that are never used, by name."""
    found = sorted(metadata.distributions(), key=lambda dist: (dist.metadata["Name"] or "").lower())
    return [
        dist
        for dist in found
        if dist.files and not SKIPPED_DISTRIBUTIONS.search(dist.metadata["Name"] or "")
    ]


def list_sources() -> tuple[list[SourceFile], list[Provenance]]:
    """Every file that may be trained on, and where they come from."""
    files = list(stdlib_files())
    version = sys.version.split()[0]
    provenance = [Provenance(f"CPython stdlib {version}", "PSF-2.0", len(files))]
    for distribution in installed_distributions():
        package = f"{distribution.metadata['Name']} {distribution.version}"
        license_text = license_of(distribution)
        own = list(distribution_files(distribution)) if license_text else []
        provenance.append(Provenance(package, license_text or "SKIPPED", len(own)))
        files += own
    return files, provenance
