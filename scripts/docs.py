"""Writes the blocks of docs/ that are made from the code's tables; `--check` only compares.

A block stands between `<!-- generated: NAME -->` and `<!-- end -->`. To add one: a function that
returns Markdown, and its row in BLOCKS.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path

from kodgate.core import accounts, cascade, codes, errors, life, money, phones, requests, results
from kodgate.core.types import Event, Reason, RefundWord, State, Success

DOCS = Path(__file__).parent.parent / "docs"
RULE = re.compile(r" \([A-Z]-?[0-9]+(?:, [A-Z]-?[0-9]+)*\)")
"""Names of rules, ` (W-12)`: for readers of the code only."""
BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    lines = [list(heads), *([str(cell) for cell in row] for row in rows)]
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


def account_settings() -> str:
    words = field_docs(accounts.AccountSettings)
    rows = (
        (f"`{field.name}`", _default(field.default), words[field.name])
        for field in dataclasses.fields(accounts.AccountSettings)
    )
    return table(("Setting", "Default", "What it does"), rows)


def _default(value: object) -> str:
    if isinstance(value, bool):
        return yes(value)
    text = value.value if isinstance(value, Enum) else value
    return f"`{text}`" if text not in ("", ()) else "empty"


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
        ("Correction of an unknown outcome, hours", life.CORRECTION_MS // 3_600_000),
        ("Smallest unit of money, currency units", money.text(1, money.DECIMALS_MAX)),
        ("Largest balance, currency units", money.text(money.MONEY_MAX)),
    )
    return table(("Limit", "Value"), rows)


BLOCKS: dict[str, Callable[[], str]] = {
    "errors": error_table,
    "results": result_table,
    "message-results": message_results,
    "cascade-table": cascade_table,
    "cascade-diagram": cascade_diagram,
    "cascade-steps": cascade_steps,
    "refunds": refund_table,
    "account-settings": account_settings,
    "limits": limits,
}


def render(text: str) -> str:
    """The page with every block made anew. Raises KeyError for a block that nobody makes."""
    return BLOCK.sub(lambda match: match[1] + BLOCKS[match[2]]() + match[3], text)


def stale(folder: Path = DOCS) -> dict[Path, str]:
    """Pages that differ from what the code says, each with what it should hold."""
    pages = {path: path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.md"))}
    return {path: new for path, text in pages.items() if (new := render(text)) != text}


def main(arguments: list[str]) -> int:
    old = stale()
    for path, text in old.items():
        if "--check" in arguments:
            print(f"stale: {path} (renew it with `make docs`)", file=sys.stderr)
        else:
            path.write_text(text, encoding="utf-8")
            print(f"renewed: {path}")
    return 1 if old and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
