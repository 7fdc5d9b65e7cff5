"""`python -m kodgate.sandbox CONFIG.json`: the sandbox as its own process."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import uvloop

from kodgate.sandbox import config, server

YOUNG_OBJECTS = 20_000
"""Allocations between two looks for cycles, so that a load test finds the gateway's limits."""


def main() -> int:
    """Reads its settings from the file that is named; 2 if it is not named."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m kodgate.sandbox CONFIG.json\n")
        return 2
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
    uvloop.run(server.run(config.from_json(text)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
