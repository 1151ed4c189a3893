"""KV caches on disk: what was written comes back, and nothing else does."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from engines.kv import disk as disk_module
from engines.kv.cache_file import CacheContent
from engines.kv.disk import DiskParking, forget_owner
from engines.kv.owners import all_of
from engines.kv.reuse import CacheLoss

IDENTITY = {"engine": "test", "library": "1.0", "model": "abc", "kv_type": "f16"}
IDS = list(range(1000, 1100))
PARTS = [random.Random(1).randbytes(3000), b"", random.Random(2).randbytes(9 * 2**20)]


def content(ids: list[int] = IDS, parts: list[bytes] | None = None) -> CacheContent:
    parts = PARTS if parts is None else parts
    return CacheContent(ids, {"rows": [1, None]}, list(map(len, parts)), map(memoryview, parts))


def parking(folder: Path, **changes: str) -> DiskParking:
    return DiskParking(folder, IDENTITY | changes, "model.gguf")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "kv"


@pytest.fixture
def saved(folder: Path) -> Path:
    """The file of the key `chat/coding`."""
    disk = parking(folder)
    assert disk.save("chat/coding", content())
    return disk.path_of("chat/coding")


def test_what_was_written_comes_back(folder: Path, saved: Path) -> None:
    loaded = parking(folder).load("chat/coding")
    assert loaded is not None
    assert list(loaded.token_ids) == IDS
    assert loaded.note == {"rows": [1, None]}
    assert [bytes(part) for part in loaded.parts] == PARTS
    assert parking(folder).load("chat/other") is None


def test_only_the_user_can_read_it(folder: Path, saved: Path) -> None:
    assert saved.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.iterdir()) == [saved]


def cut(size: int) -> Callable[[bytes], bytes]:
    return lambda raw: raw[:size]


def flip(position: int) -> Callable[[bytes], bytes]:
    def damage(raw: bytes) -> bytes:
        changed = bytearray(raw)
        changed[position] ^= 4
        return bytes(changed)

    return damage


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": cut(0),
    "cut in the start": cut(10),
    "cut in the header": cut(40),
    "cut in the token ids": cut(500),
    "cut in a part": cut(10_000),
    "cut at the end": cut(-1),
    "longer": lambda raw: raw + b"x",
    "other magic": flip(0),
    "other format version": flip(8),
    "bit flip in the header": flip(30),
    "bit flip in the token ids": flip(450),
    "bit flip in a part": flip(100_000),
    "bit flip in the last block": flip(-40),
    "bit flip in the digest": flip(-1),
    "endless header": lambda raw: raw[:12] + struct.pack("<I", 2**32 - 1) + raw[16:],
    "foreign": lambda raw: b"GGUF" + bytes(5000),
    "deep header": lambda raw: raw[:12] + struct.pack("<I", 100_000) + b"[" * 100_000,
    "negative lengths": lambda raw: raw.replace(b'"part_bytes":[3000', b'"part_bytes":[-300'),
    "lengths that are no numbers": lambda raw: raw.replace(b"[3000,0", b'["00",0'),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_dropped(folder: Path, saved: Path, kind: str) -> None:
    raw = saved.read_bytes()
    damaged = DAMAGE[kind](raw)
    assert damaged != raw
    saved.write_bytes(damaged)
    disk = parking(folder)
    assert disk.load("chat/coding") is None
    in_identity = kind == "bit flip in the header"
    assert disk.loss is (CacheLoss.OUTDATED if in_identity else CacheLoss.DAMAGED)
    assert not saved.exists()


@pytest.mark.parametrize("seed", range(60))
def test_a_file_with_random_damage_is_dropped(folder: Path, seed: int) -> None:
    disk = parking(folder)
    assert disk.save("chat/coding", content(parts=[PARTS[0]]))
    path = disk.path_of("chat/coding")
    rng = random.Random(seed)
    raw = bytearray(path.read_bytes())
    for _ in range(rng.randrange(1, 4)):
        raw[rng.randrange(len(raw))] ^= rng.randrange(1, 256)
    path.write_bytes(raw)
    assert disk.load("chat/coding") is None
    assert not path.exists()


@pytest.mark.parametrize("part", IDENTITY)
def test_a_file_of_another_model_or_version_is_dropped(
    folder: Path, saved: Path, part: str
) -> None:
    disk = parking(folder, **{part: "other"})
    assert disk.load("chat/coding") is None
    assert disk.loss is CacheLoss.OUTDATED
    assert not saved.exists()


def test_a_file_that_is_missing_was_not_lost(folder: Path) -> None:
    disk = parking(folder)
    assert disk.load("chat/coding") is None
    assert disk.loss is CacheLoss.UNKNOWN


def test_a_file_under_another_key_is_not_taken(folder: Path, saved: Path) -> None:
    disk = parking(folder)
    saved.rename(disk.path_of("other/coding"))
    assert disk.load("other/coding") is None


def test_a_file_that_cannot_be_opened_is_no_error(folder: Path, saved: Path) -> None:
    saved.unlink()
    saved.mkdir()
    assert parking(folder).load("chat/coding") is None


def test_a_cache_is_written_once_for_the_same_tokens(folder: Path) -> None:
    disk = parking(folder)
    assert disk.lacks("chat/coding", IDS)
    disk.save("chat/coding", content())
    assert not disk.lacks("chat/coding", IDS)
    assert disk.lacks("chat/coding", [*IDS, 1])
    assert disk.lacks("chat/coding", [*IDS[:-1], 7])
    assert not disk.lacks("chat/coding", [*IDS, 1], size_bytes=2**30)
    assert disk.lacks("chat/coding", [*IDS, *IDS], size_bytes=2**30)
    again = parking(folder)
    again.load("chat/coding")
    assert not again.lacks("chat/coding", IDS)


def test_a_short_cache_is_not_worth_a_file(folder: Path) -> None:
    assert not parking(folder).save("chat/coding", content(IDS[:5]))
    assert not folder.exists()


def test_the_quota_lets_the_files_used_longest_ago_go(folder: Path) -> None:
    disk = DiskParking(folder, IDENTITY, "model.gguf", quota_bytes=9000)
    for number in range(3):
        assert disk.save(f"{number}/coding", content(parts=[bytes(2000)]))
        os.utime(disk.path_of(f"{number}/coding"), (number + 1, number + 1))
    assert disk.load("0/coding") is not None  # used now
    assert disk.save("3/coding", content(parts=[bytes(2000)]))
    kept = [number for number in range(4) if disk.path_of(f"{number}/coding").exists()]
    assert kept == [0, 2, 3]
    assert not disk.save("4/coding", content(parts=[bytes(10_000)]))
    assert [number for number in range(4) if disk.path_of(f"{number}/coding").exists()] == kept


def test_a_full_disk_is_no_error(
    folder: Path, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk_module, "write_cache_file", full)
    disk = parking(folder)
    assert not disk.save("chat/coding", content([*IDS, 5]))
    assert list(folder.iterdir()) == [saved]
    assert disk.load("chat/coding") is not None


def test_writing_gives_way(folder: Path, saved: Path) -> None:
    asked = iter([False, False, True])
    disk = parking(folder)
    assert not disk.save("chat/coding", content([*IDS, 5]), lambda: next(asked))
    assert list(folder.iterdir()) == [saved]
    loaded = disk.load("chat/coding")
    assert loaded is not None
    assert list(loaded.token_ids) == IDS


def test_what_a_killed_process_left_is_cleared_for_room(folder: Path, saved: Path) -> None:
    abandoned = folder / "x.99.writing"
    abandoned.write_bytes(bytes(5000))
    os.utime(abandoned, (1, 1))
    in_use = folder / "y.99.writing"
    in_use.write_bytes(bytes(5000))
    size = saved.stat().st_size
    disk = DiskParking(folder, IDENTITY, "model.gguf", quota_bytes=2 * size + 1000)
    assert disk.save("other/coding", content())
    assert not abandoned.exists()
    assert in_use.exists()
    assert saved.exists()


def test_forgetting_a_conversation_takes_all_its_files(folder: Path, saved: Path) -> None:
    disk = parking(folder)
    disk.save("chat/terse", content())
    disk.save("other/coding", content())
    disk.forget(all_of("chat"))
    assert disk.lacks("chat/coding", IDS)
    assert not disk.lacks("other/coding", IDS)
    assert list(folder.iterdir()) == [disk.path_of("other/coding")]
    disk.forget("other/coding")
    disk.forget("never/there")
    assert not list(folder.iterdir())
    forget_owner(folder / "missing", "chat")
