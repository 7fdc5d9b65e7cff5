"""The inbox as HTML. Every value passes through `html.escape`; nothing is inline for the CSP."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlencode

from kodgate.sandbox import phones
from kodgate.sandbox.texts import WORDS

_RUSSIAN = re.compile(r"(7)([0-9]{3})([0-9]{3})([0-9]{2})([0-9]{2})")
_CODE = re.compile(r"[0-9]{4,8}")

MARKS = {
    "sent": "○", "delivered": "◐", "read": "●", "expired": "✕",
    "undelivered": "✕", "sms_delivered": "●",
}  # fmt: skip
"""Colour never stands alone."""

OPEN = frozenset({"sent", "delivered"})


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Who looks: language, form token, and the one phone that is looked for ('' for all)."""

    lang: str
    token: str
    phone: str = ""

    def word(self, key: str) -> str:
        return escape(WORDS[self.lang][key])

    def link(self, path: str, **query: str) -> str:
        given = {"lang": self.lang, "phone": self.phone} | query
        return escape(f"{path}?{urlencode({k: v for k, v in given.items() if v})}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One phone as the page shows it."""

    phone: str
    messages: Sequence[dict[str, Any]]
    refusals: Sequence[dict[str, Any]]
    """Lines of the log: who said no to a code for this phone, and why."""
    outcome: tuple[str, str]
    """Names of the scripts that hold for it: Telegram, SMS."""
    planned: bool
    """Whether that is for the next code only."""


def page(view: View, cards: Sequence[Card], after: int) -> str:
    """The whole page; `after`: the log line up to which it is complete."""
    listing = "".join(card(view, one) for one in cards)
    stream = view.link("/inbox/stream", after=str(after))
    return _document(
        view,
        f"""{_head(view)}
<main id="content">
  <p class="status" role="status" data-live="{view.word("live")}" data-lost="{view.word("lost")}"
     data-new="{view.word("new")}"><span class="dot"></span> <span>{view.word("still")}</span></p>
  <div id="cards" class="cards" data-stream="{stream}">{listing}</div>
  {_empty(view)}
  {_table(view)}
</main>""",
    )


def outdated(view: View) -> str:
    """Shown when a form's token is missing or wrong."""
    return _document(
        view,
        f"""<main id="content" class="notice"><h1>{view.word("stale_form")}</h1>
<p>{view.word("stale_form_hint")} <a href="{view.link("/inbox")}">{view.word("back")}</a></p>
</main>""",
    )


def card(view: View, one: Card) -> str:
    """One phone with its messages and forms."""
    entries = [(m["at"], message(view, one.phone, m)) for m in one.messages]
    entries += [(line["at"], _refusal(view, line)) for line in one.refusals]
    entries.sort(key=lambda entry: entry[0], reverse=True)
    listed = "".join(text for _, text in entries) or (
        f'<li class="muted none">{view.word("empty_phone")}</li>'
    )
    telegram, sms = (view.word(f"{c}:{n}") for c, n in zip(phones.KINDS, one.outcome, strict=True))
    name = escape(pretty(one.phone))
    planned = f"{view.word('planned')}. " if one.planned else ""
    return f"""<article class="card" id="p{one.phone}" aria-labelledby="h{one.phone}">
<header><h2 id="h{one.phone}"><a href="{view.link("/inbox", phone=one.phone)}">{name}</a></h2>
<p class="muted">{planned}{view.word("telegram")}: {telegram}
 <span aria-hidden="true">·</span> {view.word("sms")}: {sms}</p></header>
<ol class="messages">{listed}</ol>
{_next(view, one)}</article>"""


def message(view: View, phone: str, one: dict[str, Any]) -> str:
    """One code in one channel."""
    channel, state = one["channel"], one["state"]
    shown = "sms_delivered" if channel == "sms" and state == "delivered" else state
    body = (
        f'<p class="code">{escape(one["code"])}</p>'
        if channel == "telegram"
        else f'<p class="text">{_with_code(one["text"])}</p>'
    )
    return f"""<li class="message {channel} is-{shown}">
<p class="meta"><span class="channel">{view.word(channel)}</span>{_sender(view, one)}
{_time(one["at"])}</p>{body}
<p class="state"><span aria-hidden="true">{MARKS[shown]}</span> {view.word(f"state:{shown}")}
{_note(view, one)}</p>{_buttons(view, phone, one)}</li>"""


def _sender(view: View, one: dict[str, Any]) -> str:
    if one["channel"] == "telegram":
        return ""
    return f'<span class="muted">{view.word("from")} {escape(one["sender"])}</span>'


def _with_code(text: str) -> str:
    """The text, its code emphasised."""
    found = _CODE.search(text)
    if found is None:
        return escape(text)
    before, after = text[: found.start()], text[found.end() :]
    return f"{escape(before)}<strong>{escape(found[0])}</strong>{escape(after)}"


def _note(view: View, one: dict[str, Any]) -> str:
    if one.get("refunded"):
        return f'<span class="muted">{view.word("refunded")}</span>'
    if one["state"] == "sent" and one.get("ttl"):
        ends = _time(one["at"] + one["ttl"] * 1000)
        return f'<span class="muted">{view.word("until")} {ends}</span>'
    if one["state_at"] and one["state"] != "sent":
        return f'<span class="muted">{_time(one["state_at"])}</span>'
    return ""


def _buttons(view: View, phone: str, one: dict[str, Any]) -> str:
    """What the person with this phone may do."""
    if one["channel"] != "telegram" or one["state"] not in OPEN:
        return ""
    fields = _hidden(view, phone=phone, request_id=one["id"])
    return f"""<div class="deeds">
<form method="post" action="/inbox/read" data-quiet>{fields}
<button>{view.word("read")}</button></form>
<form method="post" action="/inbox/expire" data-quiet>{fields}
<button class="plain">{view.word("expire")}</button></form></div>"""


def _refusal(view: View, line: dict[str, Any]) -> str:
    why = str(line.get("error") or line.get("result") or "")
    key = f"refusal:{why}"
    text = (
        view.word(key)
        if key in WORDS[view.lang]
        else f"{view.word('refusal:other')}: {escape(why)}"
    )
    return f'<li class="refusal muted">{_time(line["at"])} {text}</li>'


def _next(view: View, one: Card) -> str:
    choices = "".join(
        f"""<label>{view.word(channel)} <select name="{channel}">
<option value="">{view.word("as_usual")}</option>{
            "".join(
                f'<option value="{name}">{view.word(f"{channel}:{name}")}</option>'
                for name in phones.NAMED[channel]
            )
        }</select></label>"""
        for channel in phones.KINDS
    )
    return f"""<details><summary>{view.word("next")}</summary>
<form method="post" action="/inbox/next" class="next" data-quiet>{_hidden(view, phone=one.phone)}
{choices}<button>{view.word("set")}</button></form></details>"""


def _hidden(view: View, **fields: str) -> str:
    given = {"token": view.token, "lang": view.lang, "filter": view.phone} | fields
    return "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in given.items()
        if value
    )


def _head(view: View) -> str:
    other = "en" if view.lang == "ru" else "ru"
    every = (
        f'<a href="{view.link("/inbox", phone="")}">{view.word("all")}</a>' if view.phone else ""
    )
    return f"""<header class="top"><div><h1>{view.word("title")}</h1>
<p class="muted">{view.word("lead")}</p></div>
<nav aria-label="{view.word("language")}">
<a href="{view.link("/inbox", lang=other)}" lang="{other}"
   hreflang="{other}">{view.word("other_language")}</a></nav></header>
<div class="bar"><form class="find" action="/inbox" role="search">
<label for="find">{view.word("find")}</label>
<input id="find" name="phone" inputmode="numeric" autocomplete="off" maxlength="20"
 value="{escape(view.phone)}" placeholder="70000000002">
<input type="hidden" name="lang" value="{view.lang}">
<button>{view.word("show")}</button> {every}</form>
<form method="post" action="/inbox/clear">{_hidden(view)}
<button class="plain">{view.word("clear")}</button></form></div>"""


def _empty(view: View) -> str:
    """Shown by the stylesheet while there is no card."""
    return f"""<div class="empty"><h2>{view.word("empty")}</h2>
<p class="muted">{view.word("empty_hint")}</p></div>"""


def _table(view: View) -> str:
    rows = "".join(
        f"""<tr><th scope="row"><a href="{view.link("/inbox", phone=phone)}">{phone}</a></th><td>{
            view.word(f"telegram:{telegram}")
        }</td><td>{view.word(f"sms:{sms}")}</td></tr>"""
        for phone, (telegram, sms) in phones.PHONES.items()
    )
    return f"""<section aria-labelledby="phones"><h2 id="phones">{view.word("phones")}</h2>
<p class="muted">{view.word("phones_lead")}</p>
<div class="scroll" tabindex="0" role="region" aria-labelledby="phones"><table>
<thead><tr><th scope="col">{view.word("number")}</th><th scope="col">{view.word("telegram")}</th>
<th scope="col">{view.word("sms")}</th></tr></thead><tbody>{rows}</tbody></table></div></section>"""


def _document(view: View, body: str) -> str:
    return f"""<!doctype html>
<html lang="{view.lang}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{view.word("title")} – kodgate</title>
<link rel="icon" href="/inbox/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/inbox/static/inbox.css">
<script src="/inbox/static/inbox.js" defer></script></head>
<body><a class="skip" href="#content">{view.word("skip")}</a>
{body}
</body></html>
"""


def _time(at: int) -> str:
    """Business time in this machine's zone, which is the reader's: the page is for loopback."""
    moment = datetime.datetime.fromtimestamp(at / 1000, datetime.UTC).astimezone()
    return (
        f'<time datetime="{moment.isoformat(timespec="milliseconds")}"'
        f' title="{moment:%Y-%m-%d %H:%M:%S %Z}">{moment:%H:%M:%S}</time>'
    )


def pretty(phone: str) -> str:
    """`70000000002` -> `+7 000 000-00-02`; other countries stay in one piece."""
    found = _RUSSIAN.fullmatch(phone)
    return f"+{phone}" if found is None else "+{} {} {}-{}-{}".format(*found.groups())
