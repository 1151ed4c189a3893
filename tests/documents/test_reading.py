from __future__ import annotations

from pathlib import Path

import pytest

from documents.reading import DocumentError, read_attachment


def test_reads_a_text_with_its_size(tmp_path: Path) -> None:
    file = tmp_path / "notes.md"
    file.write_bytes("\ufeffone\r\ntwo é".encode())
    attachment = read_attachment(file)
    assert (attachment.name, attachment.text) == ("notes.md", "one\ntwo é")
    assert attachment.size_bytes == file.stat().st_size


@pytest.mark.parametrize("content", [b"\xff\xfe\x00a", b"a\x00b"])
def test_a_file_that_is_not_text_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.bin"
    file.write_bytes(content)
    with pytest.raises(DocumentError, match="not a UTF-8 text"):
        read_attachment(file)


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.txt"
    file.write_text("x" * 101)
    with pytest.raises(DocumentError, match="larger than"):
        read_attachment(file, limit_bytes=100)
    assert read_attachment(file, limit_bytes=101).size_bytes == 101


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="does not exist"):
        read_attachment(tmp_path / "none")
    with pytest.raises(DocumentError, match="is not a file"):
        read_attachment(tmp_path)
