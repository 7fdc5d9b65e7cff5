"""The rules of the house that a machine can check."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.docs.tree import ROOT, files, page

LOCKS = ("requirements.txt", "requirements-dev.txt")

# Put together here, so that this file does not hold them either.
FORBIDDEN = tuple(
    "".join(parts)
    for parts in (
        ("/wo", "rk/"),
        ("/ro", "ot/."),
        ("/opt/", "wheels"),
        ("py", "pi.org"),
        ("python", "hosted.org"),
        ("npm", "js.org"),
        ("deb.de", "bian.org"),
    )
)


def test_layers_import_downwards_only() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


def test_sql_is_executed_by_the_store_only() -> None:
    allowed = (ROOT / "src/kodgate/store", ROOT / "src/kodgate/sandbox")
    found = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "src").rglob("*.py")
        if re.search(r"\.execute(many|script)?\(", path.read_text(encoding="utf-8"))
        and not any(path.is_relative_to(folder) for folder in allowed)
    ]
    assert not found


def test_no_file_names_this_machine_or_a_package_host() -> None:
    found = []
    for path in files():
        text = path.read_bytes().decode("utf-8", "replace").lower()
        found += [(path.name, word) for word in FORBIDDEN if word in text]
    assert not found


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_no_address_and_a_hash_for_every_package(name: str) -> None:
    text = page(name)
    assert "://" not in text
    packages = re.split(r"\n(?=[a-z0-9][a-z0-9._-]*==)", text)[1:]
    assert len(packages) > 30
    assert not [entry.split("==")[0] for entry in packages if "--hash=sha256:" not in entry]


@pytest.mark.parametrize(("name", "extra"), [(LOCKS[0], "server"), (LOCKS[1], "dev")])
def test_a_lock_holds_every_package_that_the_project_asks_for(name: str, extra: str) -> None:
    project = tomllib.loads(page("pyproject.toml"))["project"]
    asked = project["dependencies"] + project["optional-dependencies"][extra]
    names = {re.split(r"[^A-Za-z0-9_.-]", entry)[0].lower() for entry in asked} - {"kodgate"}
    locked = set(re.findall(r"^([a-z0-9._-]+)==", page(name), re.MULTILINE))
    assert not names - locked, "run `make lock`"


def test_both_locks_agree() -> None:
    run, dev = (dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", page(n), re.MULTILINE)) for n in LOCKS)
    assert run.items() <= dev.items()


def test_every_command_of_the_makefile_is_explained() -> None:
    help_text = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    ).stdout
    targets = re.search(r"^\.PHONY: (.+)$", page("Makefile"), re.MULTILINE)
    assert targets is not None
    assert not [word for word in targets[1].split() if f"make {word}" not in help_text]


def test_scripts_are_executable_and_parse() -> None:
    for name in ("scripts/setup", "scripts/lock", ".ci/run"):
        assert os.access(ROOT / name, os.X_OK), name
        subprocess.run(["bash", "-n", str(ROOT / name)], check=True, timeout=30)
