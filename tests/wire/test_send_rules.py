"""What a send request may say, in the three dialects: the cases of the catalogue as tables."""

from dataclasses import replace

import pytest
from tests.wire.kit import (
    DEFAULTS,
    GOOD_FORM,
    GOOD_JSON,
    HTTP,
    JSON_ASP,
    JSON_SERVICE,
    form_call,
    json_asp_call,
    json_call,
    refusal_of,
    request,
)

from kodgate.core.accounts import AccountSettings, MissingMode
from kodgate.core.errors import Refused
from kodgate.core.requests import Mode

SPELLINGS = {"phone_list": "tel_list", "message_id": "user_mess_id"}


def parse_form(settings=DEFAULTS, **changed):
    return HTTP.parse_send(form_call(GOOD_FORM | changed), settings)


def parse_json_asp(settings=DEFAULTS, **changed):
    return JSON_ASP.parse_send(json_asp_call(GOOD_FORM | changed), settings)


def parse_json(settings=DEFAULTS, **changed):
    spelt = {SPELLINGS.get(name, name): value for name, value in changed.items()}
    return JSON_SERVICE.parse_send(json_call(GOOD_JSON | spelt), settings)


EVERYWHERE = pytest.mark.parametrize(
    "parse", [parse_form, parse_json_asp, parse_json], ids=["form", "json_in5", "json"]
)

ARABIC, FULL_WIDTH, MATHS, SUPERSCRIPT = "١٢٣٤٥٦", "１２３４", "𝟏𝟐𝟑𝟒", "¹²³⁴"

REFUSED = [
    # S-32, S-33: a code is 4 to 8 ASCII digits and nothing else
    *(
        ("code", code, "BAD_CODE")
        for code in (
            ARABIC, FULL_WIDTH, MATHS, SUPERSCRIPT, "+1234", "-1234", "12_34", "12 34", "1e5",
            "1234.0", "0x1234", "12\n34", "123", "123456789", "1" * 20, "1" * 5000, "0000",
            "00000000",
        )
    ),
    ("message", "Ваш код 1234", "BAD_CODE"),
    ("message", "12345678901", "BAD_CODE"),
    # S-38, S-39: one phone
    *(
        ("phone_list", phone, "BAD_PHONE")
        for phone in (
            "٧٩١٢٣٤٥٦٧٨٩", "７９１２３４５６７８９", "abc", "+7912abc4567", "123", "1" * 16,
            "7912345678912345678912345678912345678", "79123456789;", "+", "0912345678", "7.9123456",
        )
    ),
    *(
        ("phone_list", phone, "MANY_PHONES")
        for phone in ("79123456789,79123456780", "79123456789;79123456780",
                      "79123456789\n79123456780", ",".join(["79123456789"] * 3000))
    ),
    ("phone_list", "", "EMPTY_PHONE"),
    ("phone_list", " \r\n ", "EMPTY_PHONE"),
    # S-70: the bounds of valid_period are exact
    *(
        ("valid_period", period, "BAD_VALID_PERIOD")
        for period in ("29", "36001", "-1", "0", "300.5", "1" + "0" * 20, "", "٣٠٠", "3e2", "+300",
                       "000300")
    ),
    # S-71, S-74
    *(("to_sms", flag, "BAD_PARAMETER") for flag in ("2", "-1", "true", "00", "１")),
    *(("mode", mode, "BAD_MODE") for mode in ("SMS", "VIBER", "flashcall", "TELE1", "1", "5", "8",
                                              "TE LE", "ＴＥＬＥ", "6.0", "06")),
    ("mode", "", "BAD_MODE"),
]  # fmt: skip


@EVERYWHERE
@pytest.mark.parametrize(("name", "value", "error"), REFUSED)
def test_a_wrong_value_has_its_own_error(parse, name, value, error):
    assert refusal_of(lambda: parse(**{name: value})) == error


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        # S-74, S-33: JSON types
        ("mode", True, "BAD_MODE"),
        ("mode", 6.0, "BAD_MODE"),
        ("mode", [6], "BAD_MODE"),
        ("mode", None, "BAD_MODE"),
        ("mode", {"a": 6}, "BAD_MODE"),
        ("code", 1234.0, "BAD_CODE"),
        ("code", True, "BAD_CODE"),
        ("code", [1234], "BAD_CODE"),
        ("code", -1234, "BAD_CODE"),
        ("code", 10**20, "BAD_CODE"),
        ("phone_list", ["79123456789"], "BAD_PHONE"),
        ("validPeriod", 300.0, "BAD_VALID_PERIOD"),
        ("validPeriod", True, "BAD_VALID_PERIOD"),
        ("to_sms", True, "BAD_PARAMETER"),
    ],
)
@pytest.mark.parametrize("parse", [parse_json_asp, parse_json], ids=["json_in5", "json"])
def test_a_json_value_is_text_or_an_integer(parse, name, value, error):
    assert refusal_of(lambda: parse(**{name: value})) == error


@pytest.mark.parametrize("value", ["a" * 10_240, "a\x00b", "a\nb", "😀", "ж", 1.5, True, []])
def test_a_user_mess_id_is_short_printable_ascii(value):
    assert refusal_of(lambda: parse_json(message_id=value)) == "BAD_PARAMETER"


@pytest.mark.parametrize(
    "value", ["77", "'><sms result_id='6", "]]>&xxe;<!ENTITY", "' OR 1=1--", "a" * 64, '7\\"7']
)
def test_a_user_mess_id_may_be_any_printable_ascii(value):
    assert parse_json(message_id=value).user_message_id == value


@pytest.mark.parametrize("value", [77, "77"])
def test_a_user_mess_id_may_be_a_number(value):
    assert parse_json(message_id=value).user_message_id == "77"


@pytest.mark.parametrize("name", ["packet_id", "message_id"])
@pytest.mark.parametrize(
    "value",
    ["0", "-1", "+1", "1e3", "0x10", "1_0", ARABIC, str(2**53), str(2**63), "1" * 30, "abc",
     "a\r\n[Summary]\r\nerror_code=0", "'><sms result_id='6", "1.0"],
)  # fmt: skip
@pytest.mark.parametrize("parse", [parse_form, parse_json_asp], ids=["form", "json_in5"])
def test_user_ids_of_the_http_interface_are_integers(parse, name, value):
    assert refusal_of(lambda: parse(**{name: value})) == "BAD_PARAMETER"


@pytest.mark.parametrize(
    "test", ["2", "-2", "--1", "true", "+1", "-1.0", "１"], ids=lambda text: ascii(text)
)
@pytest.mark.parametrize("parse", [parse_form, parse_json_asp], ids=["form", "json_in5"])
def test_test_is_0_1_or_minus_1(parse, test):
    assert refusal_of(lambda: parse(test=test)) == "BAD_PARAMETER"


@EVERYWHERE
def test_a_request_without_a_code_leaves_it_to_us(parse):
    request = parse()
    assert request.code is None
    assert (request.phone, request.ttl_s, request.mode) == ("79123456789", 300, Mode.TELE)


@EVERYWHERE
@pytest.mark.parametrize("name", ["code", "message"])
@pytest.mark.parametrize("code", ["1234", "12345678", "0123", "000001", " 1234 ", "1234\r\n"])
def test_a_code_is_kept_as_it_came(parse, name, code):
    """Blanks around a value go (D12), zeros before a code stay (O-21)."""
    assert parse(**{name: code}).code == code.strip()


@pytest.mark.parametrize("parse", [parse_json_asp, parse_json], ids=["json_in5", "json"])
def test_a_code_may_be_a_json_number(parse):
    assert parse(code=1234).code == "1234"


@EVERYWHERE
def test_code_and_message_may_say_the_same(parse):
    assert parse(code="1234", message="1234 ").code == "1234"


@EVERYWHERE
def test_code_and_message_may_not_differ(parse):
    assert refusal_of(lambda: parse(code="1234", message="1235")) == "CODES_DIFFER"


@EVERYWHERE
@pytest.mark.parametrize(
    ("phone", "canonical"),
    [
        ("+79123456789", "79123456789"),
        (" 79123456789", "79123456789"),
        ("+7 (912) 345-67-89", "79123456789"),
        ("89123456789", "79123456789"),
        ("0079123456789", "79123456789"),
        ("7123456789", "7123456789"),
        ("4915112345678", "4915112345678"),
    ],
)
def test_a_phone_becomes_its_digits(parse, phone, canonical):
    assert parse(phone_list=phone).phone == canonical


def test_a_plus_that_became_a_space_does_no_harm():
    query = "http_username=a&http_password=b&mode=TELE&phone_list=+79123456789"
    call = HTTP.read(request("/http_in5.asp", query))
    assert HTTP.parse_send(call, DEFAULTS).phone == "79123456789"


@EVERYWHERE
@pytest.mark.parametrize("name", ["valid_period", "validPeriod", "VALID_PERIOD"])
@pytest.mark.parametrize("period", ["30", "300", "36000", "030", " 30 "])
def test_valid_period_is_taken_under_both_names(parse, name, period):
    assert parse(**{name: period}).ttl_s == int(period)


@EVERYWHERE
def test_both_names_of_valid_period_may_not_differ(parse):
    assert refusal_of(lambda: parse(valid_period="30", validPeriod="31")) == "BAD_PARAMETER"


@EVERYWHERE
@pytest.mark.parametrize("word", ["TELE", "tele", "Tele", " TELE "])
@pytest.mark.parametrize(("to_sms", "mode"), [("0", Mode.TELE), ("1", Mode.TELE_TO_SMS)])
def test_tele_and_to_sms_choose_the_cascade(parse, word, to_sms, mode):
    assert parse(mode=word, to_sms=to_sms).mode is mode


@pytest.mark.parametrize(
    ("value", "mode"),
    [(6, Mode.TELE), ("6", Mode.TELE), (" 6 ", Mode.TELE),
     (7, Mode.TELE_TO_SMS), ("7", Mode.TELE_TO_SMS)],
)  # fmt: skip
def test_the_json_service_has_modes_6_and_7(value, mode):
    assert parse_json(mode=value).mode is mode


@EVERYWHERE
@pytest.mark.parametrize(
    ("missing", "to_sms", "mode"),
    [
        (MissingMode.TELE, None, Mode.TELE),
        (MissingMode.TELE, "1", Mode.TELE_TO_SMS),
        (MissingMode.TELE_TO_SMS, None, Mode.TELE_TO_SMS),
        (MissingMode.TELE_TO_SMS, "0", Mode.TELE),
        (MissingMode.SMS, None, Mode.SMS),
        (MissingMode.SMS, "1", Mode.SMS),
    ],
)
def test_without_a_mode_the_account_decides(parse, missing, to_sms, mode):
    given = {"mode": "", "code": "1234"} | ({} if to_sms is None else {"to_sms": to_sms})
    assert parse(AccountSettings(missing_mode=missing), **given).mode is mode


@EVERYWHERE
def test_legacy_sms_without_a_text_is_an_empty_message(parse):
    settings = AccountSettings(missing_mode=MissingMode.SMS)
    assert refusal_of(lambda: parse(settings, mode="")) == "EMPTY_MESSAGE"


@pytest.mark.parametrize(("given", "test"), [("", False), ("0", False), ("1", True), (" 1 ", True)])
@pytest.mark.parametrize("parse", [parse_form, parse_json_asp], ids=["form", "json_in5"])
def test_test_1_marks_the_request(parse, given, test):
    assert parse(test=given).test is test


def test_the_json_service_knows_no_test():
    assert parse_json(test="1").test is False


@pytest.mark.parametrize("parse", [parse_form, parse_json_asp], ids=["form", "json_in5"])
def test_the_callers_own_ids_are_kept_as_text(parse):
    request = parse(packet_id="77", message_id="0078")
    assert (request.user_packet_id, request.user_message_id) == ("77", "0078")


def test_the_misspelt_packet_id_is_known():
    assert parse_form(paket_id="77").user_packet_id == "77"


@EVERYWHERE
def test_of_several_errors_the_uppermost_is_answered(parse):
    wrong = {"code": "1", "valid_period": "1", "phone_list": "x", "mode": "y"}
    order = ["BAD_MODE", "BAD_PHONE", "BAD_CODE", "BAD_VALID_PERIOD"]
    seen = []
    for name in ("mode", "phone_list", "code", "valid_period"):
        seen.append(refusal_of(lambda: parse(**wrong)))
        del wrong[name]
    assert seen == order
    assert refusal_of(lambda: parse(to_sms="2", mode="y")) == "BAD_PARAMETER"


def test_an_error_found_while_reading_is_answered_in_its_place():
    call = form_call(GOOD_FORM | {"mode": "x", "format": "pdf"})
    assert call.error == "BAD_PARAMETER"
    assert refusal_of(HTTP.parse_send, call, DEFAULTS) == "BAD_PARAMETER"
    assert refusal_of(HTTP.parse_send, replace(call, error=None), DEFAULTS) == "BAD_MODE"


def test_the_request_log_learns_which_parameter_was_wrong():
    with pytest.raises(Refused) as refused:
        parse_form(packet_id="x")
    assert refused.value.why == "packet_id"


# test=-1


def simulate(**changed):
    given = {"phone_list": "79123456789", "test": "-1"} | changed
    return HTTP.parse_simulation(form_call(given))


def test_a_simulation_needs_neither_login_nor_mode():
    call = form_call({"phone_list": "79123456789", "test": "-1"})
    assert call.simulation
    assert HTTP.parse_simulation(call).phones == ("79123456789",)


def test_a_simulation_takes_ten_numbers_and_not_eleven():
    ten = [f"7912345678{n}" for n in range(10)]
    assert simulate(phone_list=",".join(ten)).phones == tuple(ten)
    many = ";".join([*ten, "79123456789"])
    assert refusal_of(lambda: simulate(phone_list=many)) == "MANY_PHONES"


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("phone_list", "", "EMPTY_PHONE"),
        ("phone_list", "79123456789,x", "BAD_PHONE"),
        ("code", "12", "BAD_CODE"),
        ("code", "test message", "BAD_CODE"),
        ("message", "12", "BAD_CODE"),
        ("message", ARABIC, "BAD_CODE"),
        ("valid_period", "29", "BAD_VALID_PERIOD"),
        ("mode", "VIBER", "BAD_MODE"),
        ("to_sms", "3", "BAD_PARAMETER"),
        ("packet_id", "x", "BAD_PARAMETER"),
        ("format", "pdf", "BAD_PARAMETER"),
    ],
)
def test_a_simulation_judges_what_it_is_given(name, value, error):
    changed = {"mode": "TELE"} | {name: value}
    assert refusal_of(lambda: simulate(**changed)) == error


def test_a_simulation_echoes_code_and_ids():
    request = simulate(code="1234", packet_id="7", message_id="8")
    assert (request.code, request.user_packet_id, request.user_message_id) == ("1234", "7", "8")


def test_a_legacy_text_message_is_simulated():
    """Existing libraries test themselves with a text and without a mode (O-32)."""
    assert simulate(message="test message").code is None
    given = {"phone_list": "+79994567890", "message": "тест", "test": -1}
    call = json_asp_call(given)
    assert call.simulation
    assert JSON_ASP.parse_simulation(call).phones == ("79994567890",)


def test_simulation_of_a_text_still_asks_for_to_sms_0_or_1():
    assert refusal_of(lambda: simulate(message="test", to_sms="5")) == "BAD_PARAMETER"
