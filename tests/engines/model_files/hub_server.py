"""A model hub on this machine: the part of its HTTP interface that downloads use."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


@dataclass
class Refusal:
    """An answer in place of the asked one; `times` counts down."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 10**9


@dataclass
class HubContents:
    """What the hub holds and how it misbehaves.

    Args:
        repositories: Files by name.
        small: Names of files that are not in large file storage.
        refusals: By the beginning of a path.
        cuts: Bytes of a file's answers after which the connection ends, first answer first.
        swapped: Contents that are delivered in place of the promised ones.
        ignores_range: Answers a request for a part with the whole.
    """

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    small: set[str] = field(default_factory=lambda: {"config.json", "tokenizer.json"})
    refusals: dict[str, Refusal] = field(default_factory=dict)
    cuts: dict[str, list[int]] = field(default_factory=dict)
    swapped: dict[str, bytes] = field(default_factory=dict)
    ignores_range: bool = False
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def paths(self, beginning: str) -> list[str]:
        return [path for path, _ in self.requests if path.startswith(beginning)]

    def describe(self, repository: str) -> dict[str, Any]:
        siblings = []
        for name, content in self.repositories[repository].items():
            git = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
            sha256 = hashlib.sha256(content).hexdigest()
            large = {"sha256": sha256, "size": len(content), "pointerSize": 134}
            sibling = {"rfilename": name, "size": len(content), "blobId": git}
            siblings.append(sibling if name in self.small else sibling | {"lfs": large})
        return {"id": repository, "modelId": repository, "sha": COMMIT, "siblings": siblings}


@contextmanager
def serve(contents: HubContents) -> Iterator[str]:
    """The hub's address, as long as the context lasts."""

    class Handler(_Handler):
        hub = contents

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubContents

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        for beginning, refusal in self.hub.refusals.items():
            if path.startswith(beginning) and refusal.times > 0:
                refusal.times -= 1
                return self._answer(refusal.status, b'{"error": "no"}', refusal.headers)
        if path == "/api/models":
            return self._search()
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/main", path):
            return self._describe(match[1])
        if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/\w+/(.+)", path):
            location = f"/store/{match[1]}/{match[2]}"
            return self._answer(302, b"", {"Location": location, "X-Repo-Commit": COMMIT})
        if match := re.fullmatch(r"/store/([^/]+/[^/]+)/(.+)", path):
            return self._deliver(match[1], match[2])
        return self._answer(404, b"")

    def _search(self) -> None:
        wanted = parse_qs(urlsplit(self.path).query)["search"][0].lower()
        found = [name for name in self.hub.repositories if wanted[:4] in name.lower()]
        self._answer(200, json.dumps([{"id": name, "modelId": name} for name in found]).encode())

    def _describe(self, repository: str) -> None:
        if repository not in self.hub.repositories:
            return self._answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        return self._answer(200, json.dumps(self.hub.describe(repository)).encode())

    def _deliver(self, repository: str, name: str) -> None:
        content = self.hub.swapped.get(name, self.hub.repositories[repository][name])
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and not self.hub.ignores_range else 0
        if start >= len(content) > 0:
            return self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cuts = self.hub.cuts.get(name, [])
        if cuts:
            self.wfile.write(content[start : start + cuts.pop(0)])
            self.close_connection = True
            return None
        self.wfile.write(content[start:])
        return None

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: object = "", size: object = "") -> None:
        return
