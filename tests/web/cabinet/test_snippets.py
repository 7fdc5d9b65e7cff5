"""Programs to be pasted hold every parameter, however it is spelled."""

from __future__ import annotations

import json
import re

import pytest

from kodgate.web.cabinet.snippets import WRITERS, Posting

NASTY = 'a"b\\c&d=e Я'
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


@pytest.mark.parametrize("as_json", [False, True])
def test_c_sharp_s_texts_are_whole(as_json: bool):
    posting = Posting(
        base="https://sms.example", path="/send", parameters={"code": NASTY}, as_json=as_json
    )
    texts = [json.loads(text) for text in _STRING.findall(WRITERS["C#"](posting))]
    assert texts == [posting.body, posting.type, posting.url]


def test_every_language_names_the_address():
    posting = Posting(base="http://127.0.0.1:8080", path="/http_in5.asp", parameters={"a": "b"})
    for name, write in WRITERS.items():
        text = write(posting)
        assert "127.0.0.1" in text and "8080" in text and "/http_in5.asp" in text, name
