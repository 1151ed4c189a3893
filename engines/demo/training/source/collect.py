"""From installed packages to de-duplicated source text and dialogues."""

from __future__ import annotations

import ast
import hashlib
import re
import warnings
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pool
from pathlib import Path
from pydoc_data.topics import topics
from random import Random
from typing import NamedTuple

from engines.demo.training.chat import Dialogue
from engines.demo.training.dialogues.from_source import (
    class_dialogue,
    docstring_example,
    example_dialogue,
    function_dialogues,
    undocumented_code_dialogue,
)
from engines.demo.training.dialogues.templates import with_system
from engines.demo.training.source.cleaning import clean, is_copyleft, is_readable_source, is_test
from engines.demo.training.source.functions import FunctionNode, SourceFunction, known_imports
from engines.demo.training.source.licenses import Provenance, SourceFile, list_sources
from engines.demo.training.source.prose import paragraphs

HELD_OUT_ONE_IN = 64
NEAR_DUPLICATE_SHARE = 0.6
TEST_SHARE = 0.18
SYSTEM_SHARE = 0.3


class Keyed(NamedTuple):
    """Dialogues about one function; functions with equal keys are duplicates."""

    key: int
    dialogues: list[Dialogue]


class ReadFile(NamedTuple):
    """A file worth training on."""

    name: str
    distribution: str
    test: bool
    held_out: bool
    text: str
    line_hashes: frozenset[int]
    dialogues: list[Keyed]


class Document(NamedTuple):
    """A source text and the path to put above it."""

    name: str
    text: str


@dataclass
class Split:
    """One side of the split into training and held-out files."""

    documents: list[Document] = field(default_factory=list)
    dialogues: list[Dialogue] = field(default_factory=list)


@dataclass
class Corpus:
    """Everything read from this machine, and where it comes from."""

    train: Split = field(default_factory=Split)
    held_out: Split = field(default_factory=Split)
    provenance: list[Provenance] = field(default_factory=list)


def checksum(text: str) -> int:
    return zlib.crc32(text.encode())


def is_presentable(function: SourceFunction) -> bool:
    """Short ASCII code without quotes that would break a fence or a docstring."""
    code = function.bare
    quoted = "```" in code or '"""' in code or "'''" in code
    return code.isascii() and len(code) <= 1800 and 2 <= function.line_count <= 40 and not quoted


def has_separate_docstring(node: FunctionNode) -> bool:
    """A public function with a docstring on its own lines and an indented body below it."""
    if node.name.startswith("__") or not ast.get_docstring(node) or len(node.body) < 2:
        return False
    doc, body = node.body[0], node.body[1]
    own_lines = doc.lineno != node.lineno and body.lineno > (doc.end_lineno or 0)
    return own_lines and body.col_offset - node.col_offset == 4


def dialogues_about(function: SourceFunction, rng: Random) -> list[Dialogue]:
    """Two drawings, the second one without requests that the first one has."""
    found = function_dialogues(function, rng)
    asked = {dialogue.messages[0] for dialogue in found}
    found += [d for d in function_dialogues(function, rng) if d.messages[0] not in asked]
    code = docstring_example(function.docstring) if function.class_name is None else None
    return [*found, example_dialogue(function, code, rng)] if code else found


class FileReader:
    """Walks the classes and functions of one file and makes dialogues about them."""

    def __init__(self, name: str, text: str, tree: ast.Module) -> None:
        module = name[:-3].replace("/", ".").removesuffix(".__init__")
        self.imports = known_imports(tree, module.split(".")[0])
        parts = [part for part in module.split(".") if not part.startswith("_")]
        self.module = ".".join(parts) or module
        self.lines = text.split("\n")
        self.rng = Random(checksum(name))

    def visit(self, body: list[ast.stmt], class_name: str | None) -> Iterator[Keyed]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                if class_name is None and not node.name.startswith("_"):
                    yield from self.about_class(node)
                yield from self.visit(node.body, node.name)
            elif isinstance(node, FunctionNode) and has_separate_docstring(node):
                yield from self.about_function(node, class_name)

    def about_class(self, node: ast.ClassDef) -> Iterator[Keyed]:
        texts = paragraphs(ast.get_docstring(node) or "")
        if texts and len(texts[0]) > 30:
            dialogue = class_dialogue(node.name, self.module, texts, self.rng)
            yield Keyed(checksum(texts[0]), [dialogue])

    def about_function(self, node: FunctionNode, class_name: str | None) -> Iterator[Keyed]:
        function = SourceFunction(node, self.lines, self.imports, class_name, self.module)
        if not is_presentable(function):
            if class_name is None and function.paragraphs:
                dialogue = undocumented_code_dialogue(function, self.rng)
                yield Keyed(checksum(function.docstring), [dialogue])
            return
        if sum(char.isdigit() for char in function.bare) / len(function.bare) > 0.08:
            return
        if found := dialogues_about(function, self.rng):
            yield Keyed(checksum(re.sub(r"\s+", "", function.bare)), found)

    def read(self, tree: ast.Module) -> list[Keyed]:
        found: list[Keyed] = []
        with suppress(RecursionError):
            found.extend(self.visit(tree.body, None))
        return [
            Keyed(
                key, [Dialogue(d.kind, with_system(d.messages, self.rng, SYSTEM_SHARE)) for d in ds]
            )
            for key, ds in found
        ]


def read_text(path: str) -> str | None:
    """The file's text when it is UTF-8, not too long and not under a copyleft license."""
    try:
        raw = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return None if len(raw) > 200_000 or is_copyleft(raw) else raw


def read_source(file: SourceFile) -> ReadFile | None:
    """One file, cleaned and with its dialogues; None when it is not worth training on."""
    warnings.simplefilter("ignore")
    raw, test = read_text(file.path), is_test(file.name)
    text = clean(raw) if raw else ""
    if not is_readable_source(text, test):
        return None
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    lines = (line.strip() for line in text.split("\n"))
    hashes = frozenset(checksum(line) for line in lines if len(line) > 24)
    dialogues = [] if test else FileReader(file.name, text, tree).read(tree)
    held_out = checksum("v" + file.name) % HELD_OUT_ONE_IN == 0
    return ReadFile(file.name, file.distribution, test, held_out, text, hashes, dialogues)


def without_duplicates(files: list[ReadFile]) -> Iterator[ReadFile]:
    """Drops equal and nearly equal files, and tests beyond their share of the text."""
    texts: set[bytes] = set()
    lines: set[int] = set()
    test_chars = TEST_SHARE * sum(len(file.text) for file in files if not file.test)
    for file in files:
        digest = hashlib.sha256(file.text.encode()).digest()
        shared = len(file.line_hashes & lines) / max(1, len(file.line_hashes))
        if digest in texts or shared > NEAR_DUPLICATE_SHARE:
            continue
        texts.add(digest)
        if file.test:
            test_chars -= len(file.text)
            if test_chars < 0:
                continue
        lines |= file.line_hashes
        yield file


def language_reference() -> list[Document]:
    """Topics of the Python language reference that ship with the standard library."""
    found = []
    for name, text in topics.items():
        plain = re.sub(r"[*_]([A-Za-z][^*_\n]*)[*_]", r"\1", text)
        plain = re.sub(r"\n\*{4,}\n", "\n", plain)
        found.append(Document(f"topics/{name}", plain.strip() + "\n"))
    return found


def collect(processes: int, limit: int | None = None) -> Corpus:
    """Reads up to `limit` of this machine's permissively licensed Python files."""
    sources, provenance = list_sources()
    with Pool(processes) as pool:
        found = pool.imap_unordered(read_source, sources[:limit], chunksize=16)
        files = [file for file in found if file]
    files.sort(key=lambda file: (not file.held_out, file.test, file.name))
    corpus = Corpus(provenance=provenance)
    functions: set[int] = set()
    for file in without_duplicates(files):
        split = corpus.held_out if file.held_out else corpus.train
        split.documents.append(Document(file.name, file.text))
        for key, dialogues in file.dialogues:
            if key not in functions:
                functions.add(key)
                split.dialogues += dialogues
    corpus.train.documents += language_reference()
    return corpus
