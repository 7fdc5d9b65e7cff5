"""Languages: gettext catalogues, and money, numbers and instants as Babel writes them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from gettext import GNUTranslations
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale, dates, numbers
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from kodgate.core import money

LANGUAGES = ("ru", "en")
"""The first is the language that the texts are written in."""

CURRENCY = "RUB"
PATTERNS = {"en": "₽#,##0.00"}
"""Of money, where Babel's own is poor: `RUB7,492.80`."""
DAYS_FROM_H = 48
"""From here on a duration is told in days."""

LOCALES = Path(__file__).parent / "locale"

_LOCALES = {"ru": Locale("ru", "RU"), "en": Locale("en", "GB")}


@cache
def catalogue(language: str) -> GNUTranslations:
    """Compiled at start from the text forms, `en.po` and `en.*.po`: there is no binary truth."""
    with (LOCALES / f"{language}.po").open("rb") as file:
        read = read_po(file, locale=language)
    for path in sorted(LOCALES.glob(f"{language}.*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=language):
                if message.id:
                    read.add(message.id, message.string)
    compiled = io.BytesIO()
    write_mo(compiled, read)
    compiled.seek(0)
    return GNUTranslations(compiled)


def choose(wanted: Iterable[str], accept_language: str) -> str:
    """The first wanted one that we have, else what the browser prefers, else the first."""
    for language in wanted:
        if language in LANGUAGES:
            return language
    for part in accept_language.lower().split(",")[:10]:
        tag = part.partition(";")[0].strip()[:2]
        if tag in LANGUAGES:
            return tag
    return LANGUAGES[0]


class Writer:
    """Writes values in one language and time zone."""

    def __init__(self, language: str, timezone: str = "UTC") -> None:
        self.language = language
        self._locale = _LOCALES[language]
        self._zone = ZoneInfo(timezone)
        self._catalogue = catalogue(language)

    def text(self, message: str, **values: object) -> str:
        found = self._catalogue.gettext(message)
        return found % values if values else found

    def plural(self, one: str, many: str, num: int) -> str:
        return self.form(one, many, num) % {"num": self.number(num)}

    def form(self, one: str, many: str, num: int) -> str:
        """The one of this number, its placeholders still in it."""
        return self._catalogue.ngettext(one, many, num)

    def money(self, amount: int) -> str:
        """`74928000` -> `7 492,80 ₽`, with as many decimals as are needed to be exact."""
        return numbers.format_currency(
            Decimal(amount) / money.SCALE,
            CURRENCY,
            PATTERNS.get(self.language),
            locale=self._locale,
            decimal_quantization=False,
        )

    def signed(self, amount: int) -> str:
        """With its sign also where it is above zero."""
        return f"+{self.money(amount)}" if amount > 0 else self.money(amount).replace("-", "−")

    def number(self, value: int | float) -> str:
        if isinstance(value, int) and 0 <= value < 1000:
            return str(value)  # in both languages, and long tables have many of them
        return numbers.format_decimal(value, locale=self._locale)

    def amount(self, amount: int) -> str:
        """Money of a provider, whose currency we are not told: `2 500,0025`."""
        units = Decimal(amount) / money.SCALE
        return numbers.format_decimal(units, "#,##0.00##", locale=self._locale)

    def percent(self, part: int, whole: int) -> str:
        if whole == 0:
            return "—"
        return numbers.format_percent(part / whole, "#,##0.#%", locale=self._locale)

    def moment(self, at: int) -> datetime:
        return datetime.fromtimestamp(at / 1000, UTC).astimezone(self._zone)

    def day(self, at: int) -> str:
        return dates.format_date(self.moment(at), "d MMM y", locale=self._locale)

    def when(self, at: int) -> str:
        """Date and time to the second; the page says the zone once."""
        return dates.format_datetime(self.moment(at), "d MMM y, HH:mm:ss", locale=self._locale)

    def minute(self, at: int) -> str:
        """For long tables: written without a look at the locale's rules, the same everywhere."""
        return f"{self.moment(at):%d.%m.%Y %H:%M}"

    def clock(self, at: int) -> str:
        """Time of day to the millisecond, for steps of a timeline."""
        moment = self.moment(at)
        return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"

    def time(self, at: int) -> str:
        return f"{self.moment(at):%H:%M:%S}"

    def iso(self, at: int) -> str:
        return self.moment(at).isoformat(timespec="milliseconds")

    def duration(self, ms: int) -> str:
        """`3,4 с`, `5 мин 12 с`, `2 ч`."""
        seconds = ms / 1000
        if seconds < 60:
            return self.text("%(num)s с", num=self.number(round(seconds, 1)))
        minutes, rest = divmod(int(seconds), 60)
        if minutes < 60:
            return self._two("%(num)s мин", minutes, "%(num)s с", rest)
        hours, minutes = divmod(minutes, 60)
        if hours >= DAYS_FROM_H:
            return self.plural("%(num)s день", "%(num)s дней", hours // 24)
        return self._two("%(num)s ч", hours, "%(num)s мин", minutes)

    def _two(self, large: str, count: int, small: str, rest: int) -> str:
        parts = [(large, count), *([(small, rest)] if rest else [])]
        return " ".join(self.text(unit, num=num) for unit, num in parts)

    def zone_name(self) -> str:
        """`Europe/Moscow (UTC+3)`; `UTC` alone."""
        offset = f"{datetime.now(UTC).astimezone(self._zone):%z}"
        hours, minutes = int(offset[:3]), offset[3:]
        told = f"UTC{hours:+d}" + (f":{minutes}" if minutes != "00" else "")
        return "UTC" if self._zone.key == "UTC" else f"{self._zone.key} ({told})"
