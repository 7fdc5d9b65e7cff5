"""The first page's commands do what it says, in both languages, against the real process."""

from __future__ import annotations

import json
import re
import shlex
import urllib.request
from collections.abc import Iterator

import pytest
from bench.gateway import Gateway
from tests.docs.tree import ROOT, page

import kodgate

PAGES = ("README.md", "README.ru.md", "docs/tutorials/first-code.md")
BLOCK = re.compile(r"^```(?:console|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(name: str, program: str) -> list[str]:
    """The command lines of a page that call a program, continuation lines joined."""
    blocks = (block.replace("\\\n", " ") for block in BLOCK.findall(page(name)))
    lines = (line.removeprefix("$ ") for block in blocks for line in block.splitlines())
    return [line for line in lines if line.startswith(f"{program} ")]


def run_curl(command: str) -> str:
    """What this curl command would print; curl itself need not be installed."""
    given: dict[str, list[str]] = {"-d": [], "-H": [], "-X": [], "": []}
    words = iter(shlex.split(command)[1:])
    for word in words:
        if word in given:
            given[word].append(next(words))
        else:
            given[""].append(word)
    headers = dict(header.split(": ", 1) for header in given["-H"])
    data = "&".join(given["-d"]).encode() or None
    with urllib.request.urlopen(
        urllib.request.Request(given[""][0], data=data, headers=headers), timeout=20
    ) as answer:
        return str(answer.read().decode())


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("readme") / "data") as started:
        yield started


def here(command: str, gateway: Gateway) -> str:
    """The command with the ports and the secret of this run."""
    ports = {"8080": gateway.wire, "8787": gateway.json, "8081": gateway.telegram}
    for known, port in ports.items():
        command = command.replace(f"127.0.0.1:{known}", f"127.0.0.1:{port}")
    return command.replace("$SECRET", gateway.secret)


@pytest.mark.e2e
@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_answered_without_an_account_then_with_one(name: str, gateway: Gateway) -> None:
    packet_id = ""
    found = [here(command, gateway) for command in commands(name, "curl")]
    assert len(found) >= 3
    for command in found:
        answer = run_curl(command.replace("packet_id=...", f"packet_id={packet_id}"))
        assert is_good(answer), f"{command}\n{answer}"
        match = re.search(r"packet_id = ([0-9]+)", answer)
        packet_id = match[1] if match else packet_id


@pytest.mark.e2e
@pytest.mark.parametrize("name", PAGES[:2])
def test_the_python_lines_send_a_code_and_wait_for_it(
    name: str, gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    if not hasattr(kodgate, "Client"):
        pytest.skip("the client is not part of this checkout")
    (lines,) = re.findall(r"^```python\n(.*?)^```", page(name), re.MULTILINE | re.DOTALL)
    exec(here(lines, gateway), {"SECRET": gateway.secret})
    assert re.match(r"[0-9]{6} ", capsys.readouterr().out)


def is_good(answer: str) -> bool:
    if answer.startswith("{"):
        return bool(json.loads(answer)["errcode"] == "0")
    return "error_num = OK" in answer or "error_num='0'" in answer


def test_both_languages_show_the_same_commands() -> None:
    english, russian = (
        [command for program in ("curl", "make", "export", "scripts/setup", ".venv/bin/kodgate")
         for command in commands(name, program)]
        for name in PAGES[:2]
    )  # fmt: skip
    assert english == russian


def test_the_first_page_stays_short() -> None:
    assert all(len(page(name).splitlines()) <= 150 for name in PAGES[:2])


def test_every_setting_and_command_that_the_pages_name_exists() -> None:
    known = page("docs/reference/commands.md") + page("docs/reference/settings.md")
    known += page("docs/reference/account-settings.md") + page("docs/reference/smpp-route.md")
    for name in (*PAGES, "docs/howto/go-live.md"):
        text = page(name)
        for variable in re.findall(r"KODGATE_[A-Z_]+[A-Z]", text):
            plain = variable.removesuffix("_FILE")
            assert f"`{plain}`" in known, f"{name} names {variable}"
        for setting in re.findall(r"--set '?([a-z_0-9]+)=", text):
            assert f"`{setting}`" in known, f"{name} sets {setting}"
        for words in re.findall(r"kodgate ((?:account|route|tariff) [a-z-]+|doctor|serve)", text):
            assert f"### `kodgate {words}`" in known, f"{name} calls kodgate {words}"


def test_no_page_is_empty() -> None:
    assert not [path for path in (ROOT / "docs").rglob("*.md") if len(path.read_text()) < 80]


def test_the_russian_readme_says_sms_as_the_pages_do():
    assert "СМС" not in page("README.ru.md")
