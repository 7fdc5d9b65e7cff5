"""The cabinet's static files: read once, told by their hashes, cached for ever."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    body: bytes
    type: str
    digest: str


class Assets:
    """Only the files that were there at the start; a path is looked up, never opened (S-109)."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = {
            path.name: _read(path) for path in sorted(folder.iterdir()) if path.suffix in TYPES
        }

    def address(self, prefix: str, name: str) -> str:
        """With its digest, so that a new version is a new address."""
        return f"{prefix}static/{name}?{self._files[name].digest}"

    def answer(self, name: str) -> Response:
        asset = self._files.get(name)
        if asset is None:
            return Response("Not found\n", 404, media_type="text/plain")
        headers = {"cache-control": FOREVER, "content-type": asset.type}
        return Response(asset.body, headers=headers)


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    digest = hashlib.sha256(body).hexdigest()[:12]
    return Asset(body=body, type=TYPES[path.suffix], digest=digest)
