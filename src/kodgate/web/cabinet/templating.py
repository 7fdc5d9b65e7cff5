"""The templates: one environment for both sites and all languages, compiled once a process."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.runtime import Context

FOLDER = Path(__file__).parent / "templates"
THREAD = "templates"
"""In which they are compiled when a process starts."""


@cache
def environment() -> Environment:
    """Every template is rendered with `w`, the writer, whose language `_` speaks."""
    found = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=select_autoescape(default=True),
        extensions=["jinja2.ext.i18n"],
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.install_gettext_callables(  # type: ignore[attr-defined]
        _gettext, _ngettext, newstyle=True
    )
    return found


def compile_all() -> None:
    """About a second of pure computing, which no first visitor of a page shall wait for."""
    for name in environment().list_templates():
        environment().get_template(name)


@pass_context
def _gettext(context: Context, message: str) -> str:
    found: str = context["w"].text(message)
    return found


@pass_context
def _ngettext(context: Context, one: str, many: str, num: int) -> str:
    found: str = context["w"].form(one, many, num)
    return found
