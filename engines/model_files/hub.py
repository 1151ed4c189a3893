"""The model hub, through huggingface_hub: what a repository holds, and requests for its files."""

from __future__ import annotations

import importlib
import json
import os
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from engines.errors import DownloadError
from engines.model_files.hub_errors import explained
from engines.model_files.repository_files import Repository, RepositoryFile

_ANSWER_S = 15.0
_SUGGESTIONS = 3


def import_hub(module: str = "huggingface_hub") -> Any:
    """The library, told not to report on its user and not to draw."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    return importlib.import_module(module)


@dataclass(frozen=True)
class Hub:
    """One hub.

    Args:
        endpoint: Its address; `HF_ENDPOINT` names a mirror.
        token: Who asks; by default what `hf auth login` stored or `HF_TOKEN` says.
    """

    endpoint: str = field(default_factory=lambda: _endpoint())
    token: str | None = field(default_factory=lambda: _token(), repr=False)

    @property
    def host(self) -> str:
        return urlsplit(self.endpoint).netloc or self.endpoint

    def read_repository(self, name: str, revision: str = "main") -> Repository:
        """The files of the newest commit of `revision`, with sizes and checksums.

        Raises:
            ModelNotFound: there is no such repository, with the nearest names.
            DownloadError: it may not be read, or the hub is not reachable.
        """
        with explained(self, name):
            try:
                found = self._api.model_info(
                    name, revision=revision, files_metadata=True, timeout=_ANSWER_S
                )
                files = [_file(sibling) for sibling in found.siblings or ()]
            except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
                raise DownloadError(
                    f"{self.host} does not answer as a model hub does.",
                    "Check HF_ENDPOINT, and whether the network asks you to sign in.",
                ) from error
        return Repository(name, str(found.sha), tuple(file for file in files if file is not None))

    def suggest(self, name: str) -> list[str]:
        """Repositories with a similar name; none where the hub does not say."""
        words = name.rpartition("/")[2]
        try:
            answer = (
                import_hub()
                .get_session()
                .get(
                    f"{self.endpoint}/api/models",
                    params={"search": words, "limit": _SUGGESTIONS},
                    headers=self.headers(),
                    timeout=_ANSWER_S,
                )
            )
            return [str(model["id"])[:120] for model in answer.json()][:_SUGGESTIONS]
        except Exception:  # a suggestion is not worth an error
            return []

    def file_url(self, repository: Repository, file: RepositoryFile) -> str:
        path = quote(file.path)
        return f"{self.endpoint}/{repository.name}/resolve/{repository.commit}/{path}"

    def headers(self) -> dict[str, str]:
        """Of requests for files; the client drops the token where a redirect leaves the hub."""
        headers = {"user-agent": "llm-tui", "accept-encoding": "identity"}
        return headers | ({"authorization": f"Bearer {self.token}"} if self.token else {})

    @property
    def _api(self) -> Any:
        return import_hub().HfApi(
            endpoint=self.endpoint, token=self.token or False, library_name="llm-tui"
        )


def _file(sibling: Any) -> RepositoryFile | None:
    checksum = sibling.lfs.sha256 if sibling.lfs else sibling.blob_id
    if sibling.size is None or not checksum:
        return None
    return RepositoryFile(str(sibling.rfilename), int(sibling.size), str(checksum))


def _endpoint() -> str:
    chosen = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    return chosen or str(import_hub("huggingface_hub.constants").ENDPOINT)


def _token() -> str | None:
    token = import_hub().get_token()
    return str(token) if token else None
