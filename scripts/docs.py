"""Writes what is made from the code: blocks of docs/ and whole files; `--check` only compares.

A block stands between `<!-- generated: NAME -->` and `<!-- end -->`. To add one: a function that
returns Markdown, and its row in BLOCKS. A whole file has its row in FILES.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path
from typing import Any

import typer
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from kodgate import config
from kodgate.channels.smpp.route import RouteProfile
from kodgate.cli.main import app
from kodgate.core import accounts, cascade, codes, errors, life, money, phones, requests, results
from kodgate.core.types import Event, Reason, RefundWord, State, Success
from kodgate.engine.meters import Meters
from kodgate.engine.tallies import Counts, Timings
from kodgate.sandbox import control
from kodgate.sandbox import phones as test_phones
from kodgate.web.monitor import HttpMeters

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
RULE = re.compile(r" \([A-Z]-?[0-9]+(?:, [A-Z]-?[0-9]+)*\)")
"""Names of rules, ` (W-12)`: for readers of the code only."""
BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    lines = [list(heads), *([str(cell).replace("|", "\\|") for cell in row] for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def yes(fact: bool) -> str:
    return "yes" if fact else "no"


def error_table() -> str:
    heads = ("Number", "Name", "English text", "Russian text", "Repeat later", "Balances", "Kind")
    rows = (
        (e.number, f"`{e.name}`", e.en, e.ru, yes(e.retryable), yes(e.shows_balance), e.kind)
        for e in (errors.OK, *errors.TABLE)
    )
    return table(heads, rows)


def result_table() -> str:
    heads = ("Number", "Word", "Meaning", "`result_info`", "Final")
    rows = ((r.id, f"`{r.word}`", r.en, r.ru, yes(r.final)) for r in results.TABLE)
    return table(heads, rows)


def message_results() -> str:
    """Which result each state and reason is reported as."""
    heads = ("State", "Reason", "Telegram", "SMS")
    open_rows = [(state.value, "", number, number) for state, number in results.OPEN.items()]
    ended = results.ENDED
    ended_rows = [
        ("failed or expired", reason.value, ended["messenger", reason], ended["sms", reason])
        for reason in Reason
        if ("sms", reason) in ended
    ]
    return table(heads, [*open_rows, *ended_rows])


def cascade_table() -> str:
    heads = ("State", *(event.value for event in cascade.ORDER))
    return table(heads, ((s.value, *(_cell(s, e) for e in cascade.ORDER)) for s in State))


def _cell(state: State, event: Event) -> str:
    words: dict[str, list[str]] = {}
    for success in Success:
        cell = cascade.TABLE[state, event, success]
        text = "no change" if cell.state is state else cell.state.value
        if cell.reason is not None:
            text += f", reason {cell.reason.value}"
        if cell.reason_attempted is not None:
            text += f" ({cell.reason_attempted.value} if an attempt is on record)"
        words.setdefault(text, []).append(success.value)
    if len(words) == 1:
        return next(iter(words))
    return "; ".join(f"{text} if success is {' or '.join(by)}" for text, by in words.items())


def cascade_diagram() -> str:
    return f"```mermaid\n{cascade.mermaid()}```\n"


def refund_table() -> str:
    heads = ("Refund word", *(reason.value for reason in Reason))
    rows = (
        (word.value, *(yes(cascade.is_refunded(word, reason)) for reason in Reason))
        for word in RefundWord
    )
    return table(heads, rows)


def cascade_steps() -> str:
    heads = ("Cascade", "Step", "Channel", "Waits, s", "Handover, s", "Success", "Refund")
    named = {
        "`tele`": cascade.tele(requests.TTL_DEFAULT_S),
        "`tele_to_sms`": cascade.tele_to_sms(requests.TTL_DEFAULT_S),
        "`sms`": cascade.sms(requests.TTL_DEFAULT_S),
    }
    rows = [
        (
            name,
            number,
            step.channel,
            "`valid_period`" if step.channel == "telegram" else step.wait_s,
            step.handover_s or "",
            step.success.value,
            step.refund.value,
        )
        for name, steps in named.items()
        for number, step in enumerate(steps, 1)
    ]
    return table(heads, rows)


def field_docs(owner: type) -> dict[str, str]:
    """The docstring under each field of a class, on one line, without the names of rules."""
    body = ast.parse(inspect.getsource(owner)).body[0]
    assert isinstance(body, ast.ClassDef)
    found, name = {}, ""
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            found[name], name = RULE.sub("", " ".join(str(node.value.value).split())), ""
    return found


def field_table(owner: Any, head: str) -> str:
    """The fields of a dataclass with their defaults and docstrings."""
    words = field_docs(owner)
    rows = (
        (f"`{field.name}`", _default(field), words.get(field.name, ""))
        for field in dataclasses.fields(owner)
    )
    return table((head, "Default", "What it does"), rows)


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is dataclasses.MISSING:
        return "needed" if field.default_factory is dataclasses.MISSING else "empty"
    return plain(field.default)


def plain(value: object) -> str:
    """A default as a reader sees it."""
    if isinstance(value, SecretStr) or value in ("", (), None):
        return "empty"
    if isinstance(value, bool):
        return yes(value)
    return f"`{value.value if isinstance(value, Enum) else value}`"


def settings() -> str:
    return "\n".join(_section(name, kind) for name, kind in config.sections())


def _section(name: str, kind: type[BaseModel]) -> str:
    head = f"### `[{name}]`" if name else "### Outside any section"
    rows = (
        (f"`{key}`", f"`{_variable(name, key)}`", plain(field.default), field.description)
        for key, field in _plain_fields(kind)
    )
    words = " ".join((kind.__doc__ or "").split()) if name else "At the top of the file."
    return f"{head}\n\n{words}\n\n" + table(("Key", "Variable", "Default", "Meaning"), rows)


def _variable(section: str, key: str) -> str:
    parts = [part.upper() for part in (section, key) if part]
    return config.PREFIX + config.NESTED.join(parts)


def _plain_fields(kind: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    """The fields of a section that are no sections themselves."""
    fields = kind.model_fields.items()
    return [(key, field) for key, field in fields if field.default_factory is None]


def config_example() -> str:
    """A configuration file that changes nothing: every setting with its default, as a comment."""
    lines = [
        "# Settings of kodgate: `kodgate serve --config kodgate.toml`. Shown are the defaults."
    ]
    for name, kind in config.sections():
        lines += ["", f"[{name}]"] if name else [""]
        for key, field in _plain_fields(kind):
            lines += [f"# {field.description}", f"# {key} = {_toml(field.default)}"]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, tuple):
        return json.dumps(list(value))
    secret_or_nothing = value is None or isinstance(value, SecretStr)
    return json.dumps("" if secret_or_nothing else str(value))


def commands() -> str:
    root = typer.main.get_command(app)
    return "\n".join(_commands(root, "kodgate"))


def _commands(command: Any, path: str) -> list[str]:
    if hasattr(command, "commands"):
        parts = (_commands(each, f"{path} {name}") for name, each in command.commands.items())
        return [text for part in parts for text in part]
    rows = [
        (_spelling(option), _shown(option), getattr(option, "help", "") or "")
        for option in command.params
        if option.name not in COMMON_OPTIONS
    ]
    text = f"### `{path}`\n\n{command.help}\n"
    return [text + ("\n" + table(("Option", "Default", "What it does"), rows) if rows else "")]


COMMON_OPTIONS = ("config", "data")
"""Every command of the server has them: said once, by hand."""


def _shown(option: Any) -> str:
    if option.required:
        return "needed"
    nothing = callable(option.default) or option.default in (None, "", [], False)
    return "" if nothing else plain(option.default)


def _spelling(option: Any) -> str:
    if option.param_type_name == "argument":
        return f"`{(option.name or '').upper()}`"
    return ", ".join(f"`{spelling}`" for spelling in option.opts)


def metrics() -> str:
    rows = []
    registry = Meters().registry
    HttpMeters(registry, version="")
    for meter in registry._collector_to_names:
        assert isinstance(meter, MetricWrapperBase | Counts | Timings)
        (family,) = meter.describe()
        name = f"{family.name}_total" if family.type == "counter" else family.name
        named = meter._labelnames if isinstance(meter, MetricWrapperBase) else meter.labels
        labels = ", ".join(f"`{label}`" for label in named)
        rows.append((f"`{name}`", family.type, labels, family.documentation))
    return table(("Metric", "Type", "Labels", "What it says"), rows)


def limits() -> str:
    rows = (
        ("Digits of a code", f"{codes.LENGTH_MIN} to {codes.LENGTH_MAX}"),
        ("Digits of a phone number", f"{phones.LENGTH_MIN} to {phones.LENGTH_MAX}"),
        ("Characters of a phone as sent", phones.TEXT_MAX),
        ("`valid_period`, seconds", f"{requests.TTL_MIN_S} to {requests.TTL_MAX_S}"),
        ("`valid_period` when not given, seconds", requests.TTL_DEFAULT_S),
        ("Phones of one `test=-1` request", requests.SIMULATED_PHONES_MAX),
        ("Tries to confirm a packet's code", life.CONFIRM_TRIES_MAX),
        ("Time for an SMSC to take an SMS, seconds", cascade.SMS_HANDOVER_S),
        ("Time for an SMS receipt, seconds", cascade.SMS_WAIT_S),
        ("Grace after a deadline, seconds", life.GRACE_MS // 1000),
        ("Correction of an unknown outcome, hours", results.CORRECTION_MS // 3_600_000),
        ("Smallest unit of money, currency units", money.text(1, money.DECIMALS_MAX)),
        ("Largest balance, currency units", money.text(money.MONEY_MAX)),
    )
    return table(("Limit", "Value"), rows)


def test_phone_table() -> str:
    rows = [(f"`{phone}`", *outcome) for phone, outcome in test_phones.PHONES.items()]
    rows.append(("every other", *test_phones.DEFAULT))
    return table(("Phone", "Telegram", "SMS"), rows)


def outcome_table() -> str:
    rows = [
        (channel, f"`{name}`", _script(script))
        for channel, named in test_phones.NAMED.items()
        for name, script in named.items()
    ]
    return table(("Channel", "Outcome", "Fields"), rows)


def _script(script: test_phones.Script) -> str:
    """What makes it differ from an ordinary code's way."""
    plain_ways = dataclasses.asdict(type(script)())
    ways = dataclasses.asdict(script).items()
    told = [f"`{name}` {json.dumps(way)}" for name, way in ways if way != plain_ways[name]]
    return ", ".join(told) or "as by default"


def outcome_fields() -> str:
    return "\n".join(
        field_table(kind, f"Field of {name}") for name, kind in test_phones.KINDS.items()
    )


def control_api() -> str:
    rows = (
        (f"`{one.verb} {one.path}`", one.does, _fields(one.fields)) for one in control.ENDPOINTS
    )
    return table(("Request", "What it does", "Fields"), rows)


def _fields(words: dict[str, str]) -> str:
    return "; ".join(f"`{name}`: {word}" for name, word in words.items())


def fault_table() -> str:
    rows = (
        (place, f"`{kind}`", does)
        for place, kinds in control.FAULTS.items()
        for kind, does in kinds.items()
    )
    return table(("Place", "Kind", "What goes wrong"), rows)


BLOCKS: dict[str, Callable[[], str]] = {
    "errors": error_table,
    "results": result_table,
    "message-results": message_results,
    "cascade-table": cascade_table,
    "cascade-diagram": cascade_diagram,
    "cascade-steps": cascade_steps,
    "refunds": refund_table,
    "account-settings": lambda: field_table(accounts.AccountSettings, "Setting"),
    "limits": limits,
    "settings": settings,
    "smpp-route": lambda: field_table(RouteProfile, "Field"),
    "commands": commands,
    "metrics": metrics,
    "test-phones": test_phone_table,
    "outcomes": outcome_table,
    "outcome-fields": outcome_fields,
    "control-api": control_api,
    "faults": fault_table,
}

FILES: dict[str, Callable[[], str]] = {"config.example.toml": config_example}


def render(text: str) -> str:
    """The page with every block made anew. Raises KeyError for a block that nobody makes."""
    return BLOCK.sub(lambda match: match[1] + BLOCKS[match[2]]() + match[3], text)


def stale(folder: Path = DOCS) -> dict[Path, str]:
    """Pages that differ from what the code says, each with what it should hold."""
    pages = {path: path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.md"))}
    return {path: new for path, text in pages.items() if (new := render(text)) != text}


def stale_files() -> dict[Path, str]:
    """Whole files that differ from what the code says, or are missing."""
    made = {ROOT / name: make() for name, make in FILES.items()}
    return {
        path: new
        for path, new in made.items()
        if not path.exists() or path.read_text(encoding="utf-8") != new
    }


def main(arguments: list[str]) -> int:
    old = stale() | stale_files()
    for path, text in old.items():
        if "--check" in arguments:
            print(f"stale: {path} (renew it with `make docs`)", file=sys.stderr)
        else:
            path.write_text(text, encoding="utf-8")
            print(f"renewed: {path}")
    return 1 if old and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
