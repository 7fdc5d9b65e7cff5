"""The types of columns on PostgreSQL, by name: columns of one name have one type in all tables.

A test holds this against the schema, which only migrations import.
"""

from __future__ import annotations

TEXTS = """
    action actor agent body caller_ip channel comment corrected credit csrf debit decided_by
    detail dialect document email holder ip key key_day kind language login name node once
    password path phone_mask plan prefix profile provider_id reason request_id role route
    settings source stage state status stopped_why tariff task user_message_id user_packet_id
    value why word
"""

BYTES = """
    code code_digest digest hash phone phone_digest sealed totp
"""

_TYPES = {
    **dict.fromkeys(TEXTS.split(), "text"),
    **dict.fromkeys(BYTES.split(), "bytea"),
}


def type_of(column: str) -> str:
    """All that is neither text nor bytes is a number."""
    return _TYPES.get(column, "bigint")
