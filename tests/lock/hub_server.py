"""A Hub on the loopback interface: commits, cards and configurations, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 176,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 1000,
    "max_position_embeddings": 512,
}
CARD = {
    "dataset_info": [
        {"config_name": "other", "features": [{"name": "x", "dtype": "int64"}]},
        {"config_name": "default", "features": [{"name": "text", "dtype": "string"}, {"name": "ids", "list": "int32"}]},
    ]
}


class Hub:
    """What the server knows; tests move `commit`, and read which paths were asked for."""

    def __init__(self) -> None:
        self.commit = "a" * 40
        self.asked: list[str] = []
        self.url = ""
        self.files: dict[str, bytes] = {"config.json": json.dumps(CONFIG).encode()}  # of acme/tiny

    @property
    def revisions(self) -> tuple[str, ...]:
        return ("main", "v1", self.commit)

    def answer(self, path: str) -> tuple[int, dict[str, Any] | list[dict[str, Any]] | bytes, dict[str, str]]:
        """Status, JSON or the bytes of a file, and headers."""
        match [part for part in path.partition("?")[0].split("/") if part]:
            case ["api", "models", "acme", "tiny", *rest] if rest in ([], *(["revision", r] for r in self.revisions)):
                parameters = {"parameters": {"F32": 123}, "total": 123}
                siblings = [{"rfilename": name} for name in self.files]
                found = {"id": "acme/tiny", "sha": self.commit, "safetensors": parameters, "siblings": siblings}
                return 200, found, {}
            case ["api", "models", "acme", "tiny", "tree", self.commit]:
                entry = {"type": "file", "oid": "0" * 40}
                return 200, [entry | {"path": name, "size": len(data)} for name, data in self.files.items()], {}
            case ["api", "models", "acme", "gated", *_]:
                return 403, {"error": "gated"}, {"X-Error-Code": "GatedRepo"}
            case ["api", "datasets", "acme", "web", *rest] if rest in ([], ["revision", "v1"]):
                return 200, {"id": "acme/web", "sha": self.commit, "cardData": CARD}, {}
            case ["acme", "tiny", "resolve", self.commit, name] if name in self.files:
                return 200, self.files[name], {"ETag": f'"{name}"', "X-Repo-Commit": self.commit}
            case ["api", "models", "acme", "tiny", "revision", _]:
                return 404, {"error": "no such revision"}, {"X-Error-Code": "RevisionNotFound"}
            case _:
                return 404, {"error": "no such repository"}, {"X-Error-Code": "RepoNotFound"}


@contextmanager
def serving() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(body=True)

        def do_HEAD(self) -> None:
            self.reply(body=False)

        def reply(self, *, body: bool) -> None:
            hub.asked.append(self.path)
            status, values, headers = hub.answer(self.path)
            data = values if isinstance(values, bytes) else json.dumps(values).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body:
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
