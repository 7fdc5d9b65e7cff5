"""What `import kodgate` gives, and what it does not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kodgate

NAMES = """
AccessDenied ApiError AsyncClient AuthenticationFailed BadRequest Client ConfigurationError
Confirmation ConfirmationRefused ConnectionFailed ConnectionLost Duplicate InsufficientFunds
InvalidCode InvalidRecipient KodgateError MessageStatus NotDelivered NotFound OutcomeUnknown
PacketStatus RateLimited RequestTimeout Result SentCode TransportError Unavailable UnexpectedAnswer
UnknownApiError UnreadableAnswer Until Verdict WaitTimeout __version__
"""
"""A promise: a name leaves this list in a major version only."""

SERVER = (
    "aiohttp", "alembic", "cryptography", "httptools", "prometheus_client", "pydantic",
    "pydantic_settings", "sqlalchemy", "structlog", "uvicorn", "uvloop",
)  # fmt: skip


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_public_names_are_these():
    assert kodgate.__all__ == sorted(NAMES.split())
    assert dir(kodgate) == kodgate.__all__


@pytest.mark.parametrize("name", kodgate.__all__)
def test_every_public_name_is_there_and_documented(name):
    found = getattr(kodgate, name)
    assert isinstance(found, str) or found.__doc__


def test_type_checkers_see_the_names_that_are_loaded_late():
    tree = ast.parse(Path(kodgate.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name for node in block.body for alias in node.names}  # type: ignore[attr-defined]
    assert seen | {"__version__"} == set(kodgate.__all__)


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Clint"):
        _ = kodgate.Clint


def test_the_client_works_where_the_server_is_not_installed():
    done = run(
        f"import sys; sys.modules |= dict.fromkeys({SERVER!r})\n"
        "import kodgate\n"
        "with kodgate.Client('alice', 'secret') as alice:\n"
        "    alice._http()\n"
        "print(repr(alice), kodgate.AsyncClient, kodgate.OutcomeUnknown)"
    )
    assert done.returncode == 0, done.stderr
    assert "Client('alice'" in done.stdout


def test_importing_kodgate_loads_nothing():
    done = run("import sys, kodgate; print(sorted(n for n in sys.modules if 'kodgate' in n))")
    assert done.stdout.strip() == "['kodgate']"


@pytest.mark.parametrize("arguments", [["--help"], ["send", "--help"], ["status", "--help"]])
def test_help_loads_neither_the_http_client_nor_the_server(arguments):
    server = set(SERVER) - {"pydantic"}  # which typer itself needs
    heavy = ("httpx2", *server, "kodgate.client", "kodgate.config", "kodgate.web")
    done = run(
        "import sys\n"
        "from kodgate.cli.main import app\n"
        f"try: app({arguments!r})\n"
        "except SystemExit as end: assert not end.code\n"
        f"print('loaded:', [name for name in {heavy!r} if name in sys.modules])"
    )
    assert "loaded: []" in done.stdout, done.stdout + done.stderr
