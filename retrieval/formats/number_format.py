"""Values of spreadsheet cells as their number format shows them (ECMA-376 part 1, 18.8.30), in English.

Covered: digits, thousands, percent, scientific, literal text and currencies, sections for negative numbers and zero,
dates and times. Not covered: fractions, colours and conditions; such numbers are shown plainly.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from functools import cache

_CURRENCY = re.compile(r"\[\$([^\]-]*)(?:-[0-9A-Fa-f]*)?\]")
_BRACKETED = re.compile(r"\[(?!(?:h+|m+|s+)\])[^\]]*\]", re.IGNORECASE)
_LITERAL = re.compile(r'"([^"]*)"|\\(.)|_.|\*.')
_DIGITS = re.compile(r"[#0?][#0?,]*(?:\.[#0?]*)?,*(?:[eE][+-]?[#0?]+)?")
_FRACTION = re.compile(r"s\.0+", re.IGNORECASE)
_DATE = re.compile(r"y+|m+|d+|h+|s+(?:\.0+)?|\[h+\]|\[m+\]|\[s+\]|am/pm|a/p", re.IGNORECASE)
_MINUTES_AND_SECONDS = re.compile(r"\[[hms]+\]", re.IGNORECASE)
BUILT_IN = {
    "1": "0",
    "2": "0.00",
    "3": "#,##0",
    "4": "#,##0.00",
    "9": "0%",
    "10": "0.00%",
    "11": "0.00E+00",
    "12": "# ?/?",
    "13": "# ??/??",
    "14": "mm-dd-yy",
    "15": "d-mmm-yy",
    "16": "d-mmm",
    "17": "mmm-yy",
    "18": "h:mm AM/PM",
    "19": "h:mm:ss AM/PM",
    "20": "h:mm",
    "21": "h:mm:ss",
    "22": "m/d/yy h:mm",
    "37": "#,##0;(#,##0)",
    "38": "#,##0;(#,##0)",
    "39": "#,##0.00;(#,##0.00)",
    "40": "#,##0.00;(#,##0.00)",
    "45": "mm:ss",
    "46": "[h]:mm:ss",
    "47": "mm:ss.0",
    "48": "##0.0E+0",
    "49": "@",
    **{str(number): "mm-dd-yy" for number in (*range(27, 32), 36, *range(50, 55), 57, 58)},
}
"""Formats that a file only names by number; those of East Asian dates are told as other dates."""
_FIRST_DAY, _FIRST_DAY_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)
_HELD = "\ue000"  # stands for literal text while the rest of a format is read


def shown(value: object, number_format: str) -> str:
    """`value` of a cell with this format: text, a number, a truth value, a date, a time or a length of time."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return _number(value, number_format)
    if isinstance(value, datetime | date | time):
        return _moment(value, number_format)
    if isinstance(value, timedelta):
        seconds = round(value.total_seconds())
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return str(value)


@cache
def is_date(number_format: str) -> bool:
    """Whether numbers of this format are shown as dates, times or lengths of time."""
    pattern, _ = _held(number_format.split(";")[0])
    return (
        pattern.strip().lower() != "general"
        and not re.search(r"[#0?@]", _FRACTION.sub("", pattern))
        and (_DATE.search(pattern) is not None)
    )


def moment(number: float, number_format: str, from_1904: bool) -> datetime | time | timedelta:
    """What a number stands for in a format of dates: days since the last of 1899, or the first of 1904.

    Raises `OverflowError` where there is no such day.
    """
    length = timedelta(days=number)
    if _MINUTES_AND_SECONDS.search(number_format):
        return length
    first = _FIRST_DAY_1904 if from_1904 else _FIRST_DAY
    if not from_1904 and 0 < number < 60:
        length += timedelta(days=1)  # before the 29 February 1900 that spreadsheets have and calendars do not
    exact = first + length
    rounded = (exact + timedelta(microseconds=500_000)).replace(microsecond=0)
    return rounded.time() if 0 <= number < 1 and not re.search("[dy]", number_format.lower()) else rounded


def _plain(value: float) -> str:
    return f"{value:.11g}" if abs(value) < 1e11 else f"{value:.15g}"


def _number(value: float, number_format: str) -> str:
    sections = number_format.split(";")
    chosen = sections[0]
    if value < 0 and len(sections) > 1:
        chosen, value = sections[1], -value
    elif value == 0 and len(sections) > 2:
        chosen = sections[2]
    pattern, literals = _held(chosen)
    digits = _DIGITS.search(pattern)
    if digits is None:
        written = _plain(value) if chosen.strip().lower() in ("general", "@", "") else ""
        pattern = "" if written else pattern
    elif "/" in pattern:
        return _plain(value)
    else:
        percent = pattern.count("%")
        written = _digits(value * 100**percent, digits[0])
        before, after = pattern[: digits.start()], pattern[digits.end() :]
        written = f"{before}{written}{_DIGITS.sub('', after)}"
        pattern = ""
    return _released(written + pattern, literals)


def _held(pattern: str) -> tuple[str, list[str]]:
    """(the format with a placeholder for each literal text, those texts)."""
    literals: list[str] = []

    def hold(match: re.Match[str]) -> str:
        literals.append(match[1] or match[2] or "")
        return _HELD

    named = _CURRENCY.sub(lambda match: f'"{match[1]}"', pattern)
    return _LITERAL.sub(hold, _BRACKETED.sub("", named)), literals


def _released(written: str, literals: list[str]) -> str:
    for literal in literals:
        written = written.replace(_HELD, literal, 1)
    return written.strip()


def _digits(value: float, pattern: str) -> str:
    mantissa, exponent, _ = (
        re.split(r"([eE][+-]?)", pattern, maxsplit=1) if "e" in pattern.lower() else (pattern, "", "")
    )
    scaled = mantissa.rstrip(",")  # each comma at the end stands for a thousand
    value /= 1000 ** (len(mantissa) - len(scaled))
    whole, _, decimals = scaled.partition(".")
    least, most = decimals.count("0"), len(decimals)
    if exponent:
        return f"{value:.{most}E}"
    written = f"{value:,.{most}f}" if "," in whole else f"{value:.{most}f}"
    if most > least:
        kept, _, cut = written.partition(".")
        cut = cut.rstrip("0").ljust(least, "0")
        written = f"{kept}.{cut}" if cut else kept
    sign, figures = ("-", written[1:]) if written.startswith("-") else ("", written)
    width = whole.count("0") + (len(figures) - figures.find(".") if "." in figures else 0)
    return sign + (figures if "," in whole else figures.zfill(width))


_ISO = {"mm-dd-yy", "m/d/yy h:mm", "general", ""}
"""Formats that each program shows in the order of its user's country; here in ISO 8601's."""


def _moment(value: datetime | date | time, number_format: str) -> str:
    pattern, literals = _held(number_format.split(";")[0])
    if pattern.lower() in _ISO or not _DATE.search(pattern):
        whole_day = isinstance(value, datetime) and value.time() == time()
        return str(value.date() if isinstance(value, datetime) and whole_day else value)
    moment = datetime.combine(date(1900, 1, 1), value) if isinstance(value, time) else value
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    half_day = re.search(r"am/pm|a/p", pattern, re.IGNORECASE) is not None
    written, last, end = [], "", 0
    for match in _DATE.finditer(pattern):
        code = match[0].lower()
        minutes = code[0] == "m" and (last.startswith(("h", "[h")) or _seconds_follow(pattern, match.end()))
        written += [pattern[end : match.start()], _field(moment, "n" * len(code) if minutes else code, half_day)]
        last, end = code, match.end()
    return _released("".join([*written, pattern[end:]]), literals)


def _seconds_follow(pattern: str, place: int) -> bool:
    following = _DATE.search(pattern, place)
    return following is not None and following[0][0] in "sS"


def _field(moment: datetime, code: str, half_day: bool) -> str:
    hour = (moment.hour - 1) % 12 + 1 if half_day else moment.hour
    fields = {
        "y": f"{moment:%y}" if len(code) < 3 else f"{moment.year:04}",
        "m": (str(moment.month), f"{moment:%m}", f"{moment:%b}", f"{moment:%B}", f"{moment:%b}"[:1])[
            min(len(code), 5) - 1
        ],
        "d": (str(moment.day), f"{moment:%d}", f"{moment:%a}", f"{moment:%A}")[min(len(code), 4) - 1],
        "h": f"{hour:0{min(len(code), 2)}}",
        "n": f"{moment.minute:0{min(len(code), 2)}}",
        "s": f"{moment.second:0{min(len(code.partition('.')[0]), 2)}}",
        "a": f"{moment:%p}",
        "[": str(moment.hour),
    }
    return fields[code[0]]
