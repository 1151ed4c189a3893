from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engines.errors import DownloadError, EngineError, ModelNotFound
from engines.model_files import hub_file
from engines.model_files.download import DownloadTarget, download
from engines.model_files.download_progress import DownloadMeter, DownloadProgress, DownloadStage
from engines.model_files.finding.places import ModelPlaces
from engines.model_files.finding.search import find_models
from engines.model_files.hub import Hub, import_hub
from tests.engines.model_files.hub_server import COMMIT, HubContents, Refusal, serve
from tests.engines.model_files.model_store import gguf_bytes, mlx_files

LARGE = gguf_bytes() + os.urandom(300_000)
GGUF = {
    "README.md": b"hello",
    "m-Q4_K_M.gguf": LARGE,
    "m-Q8_0.gguf": gguf_bytes(general_file_type=7),
    "mmproj-F16.gguf": b"eyes",
}


class Bench:
    """A hub on this machine, an empty cache, and what was reported."""

    def __init__(self, contents: HubContents, endpoint: str, folder: Path) -> None:
        self.hub = contents
        self.cache = folder / "hub"
        self.endpoint = endpoint
        self.reports: list[DownloadProgress] = []
        self.slept_s: list[float] = []
        self.free_bytes = 2**40
        self.stop_at_bytes = 2**40
        self.token: str | None = None

    def pull(self, reference: str) -> Path | None:
        hub = Hub(self.endpoint, self.token)
        target = DownloadTarget(hub, self.cache, lambda _: self.free_bytes, self.slept_s.append)
        return download(reference, self.reports.append, self._cancelled, target)

    def refused(self, reference: str) -> EngineError:
        with pytest.raises((DownloadError, ModelNotFound)) as error:
            self.pull(reference)
        assert "\n" not in error.value.message
        assert error.value.hint
        return error.value

    def partials(self) -> list[Path]:
        return sorted(self.cache.rglob("*.incomplete"))

    def _cancelled(self) -> bool:
        return bool(self.reports) and self.reports[-1].file_done_bytes >= self.stop_at_bytes


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    contents = HubContents({"org/m-GGUF": dict(GGUF), "org/m-4bit": mlx_files()})
    with serve(contents) as endpoint:
        yield Bench(contents, endpoint, tmp_path)


@pytest.fixture(autouse=True)
def every_block_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.model_files.download_progress._BETWEEN_REPORTS_S", 0)


def test_one_quantization_is_downloaded_where_every_program_finds_it(bench: Bench) -> None:
    path = bench.pull("org/m-GGUF:q4_k_m")
    assert path == bench.cache / f"models--org--m-GGUF/snapshots/{COMMIT}/m-Q4_K_M.gguf"
    assert path.read_bytes() == LARGE
    assert path.is_symlink() and not path.readlink().is_absolute()
    names = {model.reference for model in find_models(ModelPlaces(hugging_face=(bench.cache,)))}
    assert names == {"org/m-GGUF:Q4_K_M", "demo:target", "demo:draft"}
    assert not bench.partials()


def test_the_library_finds_what_was_downloaded(bench: Bench) -> None:
    from huggingface_hub import scan_cache_dir, try_to_load_from_cache

    path = bench.pull("org/m-GGUF:Q8_0")
    found = try_to_load_from_cache("org/m-GGUF", "m-Q8_0.gguf", cache_dir=bench.cache)
    assert found == str(path)
    (repository,) = scan_cache_dir(bench.cache).repos
    assert (repository.repo_id, repository.nb_files) == ("org/m-GGUF", 1)


def test_a_model_folder_comes_without_program_code(bench: Bench) -> None:
    bench.hub.repositories["org/m-4bit"]["modeling.py"] = b"import os"
    bench.hub.repositories["org/m-4bit"]["onnx/model.safetensors"] = b"x"
    folder = bench.pull("org/m-4bit")
    assert folder is not None
    assert {path.name for path in folder.iterdir()} == set(mlx_files())
    assert bench.reports[-1].stage is DownloadStage.DONE
    assert bench.reports[-1].done_bytes == bench.reports[-1].total_bytes


def test_a_split_model_comes_whole(bench: Bench) -> None:
    parts = {f"Q6_K/m-Q6_K-0000{n}-of-00002.gguf": gguf_bytes(x_y=n) for n in (1, 2)}
    bench.hub.repositories["org/m-GGUF"] |= parts
    path = bench.pull("org/m-GGUF:Q6_K")
    assert path is not None and path.name == "m-Q6_K-00001-of-00002.gguf"
    assert sorted(file.name for file in path.parent.iterdir()) == sorted(
        name.partition("/")[2] for name in parts
    )


def test_without_a_quantization_the_usual_one_is_taken(bench: Bench) -> None:
    path = bench.pull("org/m-GGUF")
    assert path is not None and path.name == "m-Q4_K_M.gguf"


def test_what_is_there_is_not_fetched_again(bench: Bench) -> None:
    first = bench.pull("org/m-GGUF:Q4_K_M")
    fetched = len(bench.hub.paths("/store/"))
    assert bench.pull("org/m-GGUF:Q4_K_M") == first
    assert len(bench.hub.paths("/store/")) == fetched


def test_a_download_goes_on_after_cuts(bench: Bench) -> None:
    bench.hub.cuts["m-Q4_K_M.gguf"] = [100_000, 50_000]
    path = bench.pull("org/m-GGUF:Q4_K_M")
    assert path is not None and path.read_bytes() == LARGE
    ranges = [headers.get("range") for path, headers in bench.hub.requests if "/store/" in path]
    assert ranges == [None, "bytes=100000-", "bytes=150000-"]
    waiting = [report for report in bench.reports if report.stage is DownloadStage.WAITING]
    assert "cut" in waiting[0].note
    assert sum(bench.slept_s) == pytest.approx(2.0)


def test_a_cancelled_download_goes_on_in_the_next_run(bench: Bench) -> None:
    bench.stop_at_bytes = 65_536
    assert bench.pull("org/m-GGUF:Q4_K_M") is None
    (partial,) = bench.partials()
    kept_bytes = partial.stat().st_size
    assert 0 < kept_bytes < len(LARGE)
    assert not list(bench.cache.rglob("*.gguf"))
    bench.stop_at_bytes = 2**40
    path = bench.pull("org/m-GGUF:Q4_K_M")
    assert path is not None and path.read_bytes() == LARGE
    assert bench.hub.requests[-1][1]["range"] == f"bytes={kept_bytes}-"


def test_a_hub_without_ranges_sends_everything_again(bench: Bench) -> None:
    bench.hub.cuts["m-Q4_K_M.gguf"] = [100_000]
    bench.hub.ignores_range = True
    path = bench.pull("org/m-GGUF:Q4_K_M")
    assert path is not None and path.read_bytes() == LARGE


def test_a_wrong_beginning_from_an_earlier_run_is_noticed(bench: Bench) -> None:
    bench.stop_at_bytes = 65_536
    bench.pull("org/m-GGUF:Q4_K_M")
    (partial,) = bench.partials()
    partial.write_bytes(b"\0" * partial.stat().st_size)
    bench.stop_at_bytes = 2**40
    assert "checksum" in bench.refused("org/m-GGUF:Q4_K_M").message
    assert not bench.partials()
    assert bench.pull("org/m-GGUF:Q4_K_M") is not None


@pytest.mark.parametrize("name", ["m-Q4_K_M.gguf", "config.json"])
def test_contents_with_a_wrong_checksum_are_thrown_away(bench: Bench, name: str) -> None:
    repository = "org/m-GGUF" if name.endswith(".gguf") else "org/m-4bit"
    right = bench.hub.repositories[repository][name]
    bench.hub.swapped[name] = bytes(reversed(right))
    assert "checksum" in bench.refused(repository).message
    assert not bench.partials()
    assert not list(bench.cache.rglob(name))


def test_a_file_that_is_longer_than_promised_is_refused(bench: Bench) -> None:
    bench.hub.swapped["m-Q4_K_M.gguf"] = LARGE + b"more"
    assert "longer" in bench.refused("org/m-GGUF:Q4_K_M").message


def test_a_line_that_stays_dead_ends_the_download_and_keeps_what_came(bench: Bench) -> None:
    bench.hub.cuts["m-Q4_K_M.gguf"] = [70_000] + [0] * 20
    assert bench.refused("org/m-GGUF:Q4_K_M")
    assert len(bench.hub.paths("/store/")) == 1 + hub_file.MAX_FAILURES - 1
    assert [path.stat().st_size for path in bench.partials()] == [70_000]
    assert sum(bench.slept_s) == pytest.approx(1 + 2 + 4 + 8 + 16)


def test_an_unknown_repository_comes_with_the_nearest(bench: Bench) -> None:
    error = bench.refused("other/m-GGU")
    assert "other/m-GGU" in error.message
    assert "Did you mean org/m-GGUF?" in error.hint


def test_an_unknown_quantization_comes_with_those_there_are(bench: Bench) -> None:
    error = bench.refused("org/m-GGUF:Q4_K_S")
    assert error.message == "org/m-GGUF has no Q4_K_S."
    assert "Did you mean Q4_K_M?" in error.hint
    assert "Q8_0 (" in error.hint and "F16" not in error.hint
    assert "models pull org/m-4bit" in bench.refused("org/m-4bit:Q4_0").hint


def test_a_repository_without_models_is_refused(bench: Bench) -> None:
    bench.hub.repositories["org/old"] = {"pytorch_model.bin": b"x", "config.json": b"{}"}
    assert "neither" in bench.refused("org/old").message


def test_a_gated_repository_says_where_to_accept_the_licence(bench: Bench) -> None:
    bench.hub.refusals["/org/m-GGUF/resolve"] = Refusal(403, {"X-Error-Code": "GatedRepo"})
    error = bench.refused("org/m-GGUF")
    assert "licence" in error.message
    assert f"{bench.endpoint}/org/m-GGUF" in error.hint and "hf auth login" in error.hint


def test_a_token_that_is_refused_is_told(bench: Bench) -> None:
    bench.hub.refusals["/api/models/org"] = Refusal(401)
    assert "private" in bench.refused("org/m-GGUF").message
    bench.token = "hf_old"
    error = bench.refused("org/m-GGUF")
    assert "does not accept the token" in error.message
    assert "hf_old" not in error.message + error.hint + repr(Hub(bench.endpoint, bench.token))


def test_the_token_goes_to_the_hub(bench: Bench) -> None:
    bench.token = "hf_secret"
    bench.pull("org/m-GGUF:Q8_0")
    asked = [headers for path, headers in bench.hub.requests if "/resolve/" in path]
    assert asked[0]["authorization"] == "Bearer hf_secret"


def test_the_token_does_not_follow_a_redirect_to_another_host(bench: Bench) -> None:
    bench.token = "hf_secret"
    with serve(HubContents({"org/m-GGUF": dict(GGUF)})) as _:
        elsewhere = HubContents({"org/m-GGUF": dict(GGUF)})
        with serve(elsewhere) as address:
            place = f"{address}/store/org/m-GGUF/m-Q8_0.gguf"
            bench.hub.refusals["/org/m-GGUF/resolve"] = Refusal(302, {"Location": place})
            bench.pull("org/m-GGUF:Q8_0")
        ((_, headers),) = elsewhere.requests
    assert "authorization" not in headers


def test_forbidden_and_broken_hubs_are_told(bench: Bench) -> None:
    bench.hub.refusals["/org/m-GGUF/resolve"] = Refusal(403)
    assert "refuses access" in bench.refused("org/m-GGUF").message
    bench.hub.refusals["/org/m-GGUF/resolve"] = Refusal(500)
    assert "error 500" in bench.refused("org/m-GGUF").message
    bench.hub.refusals["/org/m-GGUF/resolve"] = Refusal(404)
    assert "has no repository" in bench.refused("org/m-GGUF").message


def test_too_many_requests_wait_as_long_as_asked(bench: Bench) -> None:
    bench.hub.refusals["/org/m-GGUF/resolve"] = Refusal(429, {"Retry-After": "7"}, times=2)
    assert bench.pull("org/m-GGUF:Q8_0") is not None
    assert sum(bench.slept_s) == pytest.approx(14)
    notes = [report.note for report in bench.reports if report.note]
    assert notes[0] == "The hub asks to wait; going on in 7 s."


def test_a_wait_of_hours_is_not_waited_for(bench: Bench) -> None:
    limit = {"RateLimit": '"resolvers";r=0;t=7200'}
    bench.hub.refusals["/org/m-GGUF/resolve"] = Refusal(429, limit)
    assert "in 7200 s" in bench.refused("org/m-GGUF:Q8_0").hint
    assert not bench.slept_s


def test_a_wait_can_be_cancelled(bench: Bench) -> None:
    bench.hub.refusals["/org/m-GGUF/resolve"] = Refusal(429, {"Retry-After": "60"})
    bench.stop_at_bytes = 0
    assert bench.pull("org/m-GGUF:Q8_0") is None
    assert sum(bench.slept_s) == 0


def test_no_room_is_told_before_anything_is_fetched(bench: Bench) -> None:
    bench.free_bytes = 1000
    error = bench.refused("org/m-GGUF:Q4_K_M")
    assert "are free on its disk" in error.message and "HF_HOME" in error.hint
    assert not bench.hub.paths("/org/")


def test_a_disk_that_fills_up_keeps_what_came(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = DownloadMeter.receive
    received = []

    def fill_up(meter: DownloadMeter, size_bytes: int) -> None:
        received.append(size_bytes)
        if sum(received) > 100_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        place(meter, size_bytes)

    monkeypatch.setattr(DownloadMeter, "receive", fill_up)
    error = bench.refused("org/m-GGUF:Q4_K_M")
    assert error.message == "The disk is full."
    monkeypatch.undo()
    path = bench.pull("org/m-GGUF:Q4_K_M")
    assert path is not None and path.read_bytes() == LARGE


def test_no_network_is_one_sentence(bench: Bench) -> None:
    with serve(HubContents()) as closed:
        pass
    bench.endpoint = closed
    error = bench.refused("org/m-GGUF")
    assert "cannot be reached" in error.message and "HF_ENDPOINT" in error.hint


def test_offline_is_respected(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in bench.refused("org/m-GGUF").message
    assert not bench.hub.requests


def test_a_mirror_is_used(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", bench.endpoint + "/")
    assert Hub(token=None).endpoint == bench.endpoint
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    assert Hub().token == "hf_mine"


def test_what_does_not_answer_as_a_hub_does_is_told(bench: Bench) -> None:
    bench.hub.refusals["/api/models/org"] = Refusal(200)
    assert "does not answer as a model hub does" in bench.refused("org/m-GGUF").message


def test_an_adapter_is_downloaded(bench: Bench) -> None:
    files = {"adapters.safetensors": b"weights", "adapter_config.json": b"{}", "x.py": b""}
    bench.hub.repositories["org/lora"] = files
    folder = bench.pull("org/lora")
    assert folder is not None
    assert {path.name for path in folder.iterdir()} == set(files) - {"x.py"}


@pytest.mark.parametrize("name", ["../../evil.gguf", "/etc/evil.gguf", "a/../../evil.gguf"])
def test_a_file_cannot_leave_its_folder(bench: Bench, tmp_path: Path, name: str) -> None:
    bench.hub.repositories["org/bad"] = {name: gguf_bytes()}
    assert bench.refused("org/bad")
    assert not list(tmp_path.rglob("evil.gguf"))


@pytest.mark.parametrize("name", ["demo:target", "x.gguf", "ollama:qwen3", ""])
def test_what_is_no_repository_is_refused(bench: Bench, name: str) -> None:
    assert "ORGANIZATION/NAME" in bench.refused(name).hint


def test_two_downloads_of_one_file_do_not_meet(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    monkeypatch.setattr("engines.model_files.download._LOCK_S", 0.05)
    name = hashlib.sha256(GGUF["m-Q8_0.gguf"]).hexdigest()
    lock = bench.cache / f".locks/models--org--m-GGUF/{name}.lock"
    lock.parent.mkdir(parents=True)
    with import_hub("huggingface_hub.utils").WeakFileLock(lock):
        assert "Another program" in bench.refused("org/m-GGUF:Q8_0").message


def test_speed_and_time_left_are_of_the_last_seconds() -> None:
    now = [0.0]
    reports: list[Any] = []
    meter = DownloadMeter(1000, reports.append, lambda: now[0])
    meter.start_file("a", 1000)
    for second in range(1, 5):
        now[0] = second
        meter.receive(100)
    assert reports[-1].speed_bytes_per_s == pytest.approx(100)
    assert reports[-1].remaining_s == pytest.approx(6)
