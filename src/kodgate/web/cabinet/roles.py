"""Who may do what in the cabinet: one table."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    OWNER = "owner"
    DEVELOPER = "developer"
    FINANCE = "finance"
    SUPPORT = "support"
    OPERATOR = "operator"
    """Runs the gateway; has no account and looks at others' read-only."""


class Right(StrEnum):
    SEE = "see"
    """Messages and timelines, phones masked."""
    MONEY = "money"
    """Operations, exports and reports."""
    LOG = "log"
    """The request log, secrets and codes left out."""
    SEND = "send"
    """Codes of one's own from the test page."""
    REVEAL = "reveal"
    """A full number and its code, written into the audit trail."""
    SETTINGS = "settings"
    """Security and compatibility settings."""
    USERS = "users"
    """Who else may sign in, and as what."""
    OPERATE = "operate"
    """The operator's console."""


_ALL_READ = {Right.SEE, Right.MONEY, Right.LOG}

RIGHTS: dict[Role, frozenset[Right]] = {
    Role.OWNER: frozenset(
        _ALL_READ | {Right.SEND, Right.REVEAL, Right.SETTINGS, Right.USERS},
    ),
    Role.DEVELOPER: frozenset(
        {Right.SEE, Right.LOG, Right.SEND, Right.REVEAL, Right.SETTINGS},
    ),
    Role.FINANCE: frozenset({Right.SEE, Right.MONEY}),
    Role.SUPPORT: frozenset({Right.SEE, Right.LOG}),
    Role.OPERATOR: frozenset(_ALL_READ | {Right.OPERATE}),
}

OF_ACCOUNT = tuple(role for role in Role if role is not Role.OPERATOR)
"""What an owner may make of the people of the account."""
