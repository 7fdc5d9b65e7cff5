"""Reading names and values: charsets, duplicates, limits, strict numbers, strict JSON."""

import json

import pytest
from tests.wire.kit import (
    FORM,
    GOOD_FORM,
    GOOD_JSON,
    HTTP,
    JSON,
    JSON_ASP,
    JSON_SERVICE,
    form_call,
    json_call,
    request,
)

from kodgate.core.errors import Refused
from kodgate.wire import parameters

NAMES = {"login": "login", "password": "password", "code": "code", "phone": "phone"}


def form(query=b"", body=b"", content_type="", charsets=parameters.LEGACY):
    return parameters.form(query, body, content_type=content_type, names=NAMES, charsets=charsets)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"login=alice", "alice"),
        (b"LOGIN=alice", "alice"),
        (b"log in=alice", "alice"),
        (b"log%20in%20=alice", "alice"),
        (b"login=+alice%0D%0A", "alice"),
        (b"login=a%zzb%u043A%", "a%zzb%u043A%"),
        ("login=алиса".encode(), "алиса"),
        ("login=алиса".encode("cp1251"), "алиса"),
        (b"login=%E0%EB%E8%F1%E0", "алиса"),
        (b"login=a=b", "a=b"),
        (b"login", ""),
    ],
)
def test_a_value_is_decoded_trimmed_and_found_under_any_spelling(raw, value):
    given = form(raw)
    assert given["login"] == value
    assert given.error is None


def test_a_password_keeps_its_blanks():
    assert form(b"password=+secret+")["password"] == " secret "


def test_query_and_body_are_one_list():
    given = form(b"login=alice", b"code=1234")
    assert (given["login"], given["code"]) == ("alice", "1234")
    assert given.in_query == {"login"}


@pytest.mark.parametrize(
    ("query", "body", "error"),
    [
        (b"code=1111&code=1111", b"", None),
        (b"code=1111&code=+1111+", b"", None),
        (b"code=1111&CODE=2222", b"", "BAD_PARAMETER"),
        (b"code=1111", b"code=2222", "BAD_PARAMETER"),
        (b"code=1111&code=", b"", "BAD_PARAMETER"),
        (b"other=1&other=2", b"", None),
    ],
)
def test_duplicates_may_not_differ(query, body, error):
    assert form(query, body).error == error


@pytest.mark.parametrize(
    "text", ["%00", "a%00b", "%0B", "a%09b", "%1B[0m", "%C2%85", "%EF%BF%BE", "%7F"]
)
def test_control_characters_are_refused_and_not_kept(text):
    given = form(b"login=" + text.encode())
    assert given.error == "BAD_PARAMETER"
    assert given["login"] == parameters.UNDECODABLE


@pytest.mark.parametrize(
    ("raw", "charsets", "error"),
    [
        (b"\xc0\xaf", parameters.UTF_8, "BAD_PARAMETER"),  # overlong
        (b"\xd0", parameters.UTF_8, "BAD_PARAMETER"),  # truncated
        (b"\xed\xa0\x80", parameters.UTF_8, "BAD_PARAMETER"),  # surrogate
        (b"\xd0\x98", parameters.UTF_8, None),
        (b"\x98", parameters.LEGACY, "BAD_PARAMETER"),  # no such letter in cp1251 either
    ],
)
def test_bytes_that_are_no_text_are_refused(raw, charsets, error):
    given = form(b"login=" + raw, charsets=charsets)
    assert given.error == error
    assert "\ufffd" not in given["login"]


@pytest.mark.parametrize(
    ("content_type", "body", "login"),
    [
        (f"{FORM}; charset=windows-1251", "login=алиса".encode("cp1251"), "алиса"),
        (f'{FORM};charset="CP1251"', "login=Р°".encode("cp1251"), "Р°"),
        (f"{FORM}; charset=UTF-8", "login=алиса".encode(), "алиса"),
        (f"{FORM}; charset=ISO-8859-1", b"login=caf\xe9", "café"),
    ],
)
def test_the_charset_of_the_content_type_wins(content_type, body, login):
    given = form(b"", body, content_type, charsets=parameters.UTF_8)
    assert given["login"] == login
    assert given.error is None


@pytest.mark.parametrize("charset", ["utf-7", "utf-16", "nonsense", ""])
def test_a_charset_that_we_do_not_take_is_refused(charset):
    given = form(b"", b"login=alice", f"{FORM}; charset={charset}")
    assert given.error == "BAD_PARAMETER"


def test_sixty_four_parameters_are_read():
    raw = b"&".join([b"x=1"] * 63 + [b"login=alice"])
    given = form(raw)
    assert given["login"] == "alice"
    assert given.error is None


@pytest.mark.parametrize("count", [65, 20_000])
def test_more_than_sixty_four_parameters_are_refused_unread(count):
    given = form(b"&".join([b"x=1"] * 64 + [b"login=alice"] * (count - 64)))
    assert given.error == "BAD_PARAMETER"
    assert given["login"] == ""


def test_query_and_body_share_the_limit():
    assert form(b"&".join([b"x=1"] * 40), b"&".join([b"x=1"] * 40)).error == "BAD_PARAMETER"


def test_a_very_long_name_is_an_unknown_one():
    assert form(b"l" * 10_240 + b"=1&login=alice")["login"] == "alice"


def test_a_name_that_only_looks_like_ours_is_unknown():
    assert form("\u212a=1&ｌｏｇｉｎ=alice&login[]=alice".encode())["login"] == ""


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "+1", "1e3", "0x10", "1_0", "1.0", "١٢", "１", "²", "1\n", " 1",
     str(2**53), str(2**63), "1" * 30, "1" * 5000],
)  # fmt: skip
def test_an_id_is_ascii_digits_from_1_to_2_53(text):
    with pytest.raises(Refused) as refused:
        parameters.system_id(text)
    assert refused.value.error.name == "BAD_PARAMETER"


@pytest.mark.parametrize("text", ["1", "7710258", str(2**31), str(2**53 - 1)])
def test_a_good_id_is_taken(text):
    assert parameters.system_id(text) == int(text)
    assert parameters.integer_user_id(text) == text


@pytest.mark.parametrize("text", ["", "a" * 65, "a\nb", "ж", "😀", "a\x7f", "a\x00"])
def test_a_user_id_of_the_json_service_is_short_printable_ascii(text):
    with pytest.raises(Refused):
        parameters.text_user_id(text)


BAD_JSON = {
    "empty": "",
    "nothing but blanks": "  ",
    "the same key twice": '{"login":"a","login":"a"}',
    "the same key twice inside": '{"x":{"a":1,"a":1}}',
    "NaN": '{"login":NaN}',
    "Infinity": '{"x":-Infinity}',
    "1e400": '{"x":1e400}',
    "5,000 digits": '{"x":' + "1" * 5000 + "}",
    "5,000 digits and a point": '{"x":' + "1" * 5000 + ".5}",
    "50,000 brackets": "[" * 50_000,
    "50,000 objects": '{"a":' * 10_000,
    "half a surrogate pair": '{"login":"\\ud800"}',
    "half a surrogate pair as a name": '{"\\udc00":"a"}',
    "a list": "[]",
    "a text": '"x"',
    "null": "null",
    "a number": "7",
    "trailing data": "{} {}",
    "a comment": "{} // yes",
    "a trailing comma": '{"a":1,}',
    "a raw control character": '{"login":"a\tb"}',
    "too large": '{"x":"' + "a" * 65_536 + '"}',
    "a million keys": "{" + ",".join(f'"{n}":1' for n in range(200_000)) + "}",
    "the document's own typing error": '{"mess_id:"int"}',
}


@pytest.mark.parametrize("text", BAD_JSON.values(), ids=BAD_JSON)
def test_what_is_not_one_plain_json_object_is_refused(text):
    call = json_call(text)
    assert call.error == "BAD_JSON"


def test_json_with_more_than_sixty_four_members_is_refused():
    assert json_call({str(n): n for n in range(65)}).error == "BAD_JSON"
    assert json_call({str(n): n for n in range(64)}).error is None


@pytest.mark.parametrize("quotes", ["\\u0000", "\\ufffe", "\\u001b[0m"])
def test_json_escapes_cannot_smuggle_control_characters(quotes):
    assert json_call('{"login":"a' + quotes + '"}').error == "BAD_PARAMETER"


def test_json_numbers_stay_text():
    found = parameters.json_object('{"a":12,"b":1.50,"c":"x"}')
    assert found == {"a": "12", "b": "1.50", "c": "x"}


def test_non_breaking_spaces_between_json_tokens_are_spaces():
    call = json_call('{\u00a0"login":\u00a0"al\u00a0ice\\"\u00a0", "pass":"x"}')
    assert call.credentials.login == 'al\u00a0ice"\u00a0'


def test_non_breaking_spaces_cannot_make_the_reader_slow():
    assert json_call('\u00a0"' + '\\"' * 30_000).error == "BAD_JSON"


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-7", "application/json; charset=utf-16", "x; charset="],
)
def test_json_in_another_charset_is_refused(content_type):
    body = json.dumps(GOOD_JSON)
    call = JSON_SERVICE.read(request("/send", body=body, content_type=content_type))
    assert call.error == "BAD_JSON"


@pytest.mark.parametrize("content_type", ["", FORM, "text/plain", JSON])
def test_the_json_service_takes_json_whatever_it_is_called(content_type):
    body = b"\xef\xbb\xbf" + json.dumps(GOOD_JSON).encode()
    call = JSON_SERVICE.read(request("/send", body=body, content_type=content_type))
    assert call.credentials.login == "alice"


def test_json_that_is_not_utf_8_is_refused():
    body = '{"login":"алиса"}'.encode("cp1251")
    assert JSON_SERVICE.read(request("/send", body=body)).error == "BAD_JSON"


def test_json_names_are_found_in_any_case():
    call = json_call({"LOGIN": "alice", "Pass": "x"})
    assert call.credentials.login == "alice"


def test_json_null_is_not_given():
    assert "code" not in json_call(GOOD_JSON | {"code": None}).parameters


@pytest.mark.parametrize("value", [True, 1.5, [1], {"a": 1}])
def test_a_login_of_a_wrong_type_is_nobodys(value):
    assert json_call(GOOD_JSON | {"login": value}).credentials.login == parameters.WRONG_TYPE


def test_the_secrets_of_a_call_do_not_show_in_its_repr():
    call = form_call(GOOD_FORM | {"code": "987654"})
    assert "alicesecret" not in repr(call)
    assert "987654" not in repr(call)


def test_credentials_in_the_query_are_seen():
    assert HTTP.read(request("/http_in5.asp", "http_password=x")).credentials.in_query
    assert not form_call(GOOD_FORM).credentials.in_query


def test_json_in_a_form_field_has_the_same_limit():
    body = "json=" + json.dumps(GOOD_FORM | {"x": "a" * 65_536})
    assert JSON_ASP.read(request("/json_in5.asp", body=body, content_type=FORM)).error == "BAD_JSON"
