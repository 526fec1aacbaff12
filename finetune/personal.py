"""Finds e-mail addresses, phone, card and bank account numbers in a text, by their form, and hides them.

    mask("write to ann@example.org")        # ("write to [e-mail]", {"e-mail": 1})

Card numbers must pass the Luhn check, account numbers (IBAN, ISO 13616) the check of ISO 7064 (mod 97-10). A phone
number has 8 to 15 digits (ITU-T E.164 allows 15) behind a plus, or 9 to 15 in groups, or is a Chinese mobile number.
Not covered: names, postal addresses, numbers of identity cards, phone numbers without groups or a plus, and whatever is
spelled out. It is a hint for whoever reads the data before it is trained on, no anonymisation.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.)+[^\W\d_]{2,24}(?![\w-])")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.,/@+-])\+?(?:\(\d{1,5}\)[ .-]?)?\d(?:[ .()/-]{0,2}\d){6,21}(?![A-Za-z0-9_@]|[.,/-]\d)"
)
_GROUPED = re.compile(r"(?=.*\d[ .()/-]+\d)(?:\(?0|.*\d{3}).*")
"""In groups, of which one has three digits unless the first begins with 0: `06 12 34 56 78`."""
_THOUSANDS = re.compile(r"\d{1,3}(?P<sign>[ .])\d{3}(?:(?P=sign)\d{3})*")
_DATES = re.compile(r"(?:1\d|20)\d\d[-./]\d\d?[-./]\d\d?(?:\D+\d\d?(?:\D\d\d?)*)?|\d\d?[-./ ]\d\d?[-./ ](?:1\d|20)\d\d")
_YEARS = re.compile(r"(?:1\d|20)\d\d(?:[ /-]+(?:1\d|20)\d\d)+")
_IP = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_DECIMAL = re.compile(r"\d+\.\d+")
_CHINESE_MOBILE = re.compile(r"1[3-9]\d{9}")


def mask(text: str) -> tuple[str, Counter[str]]:
    """The text with what was found replaced by its kind in brackets, and how many of each kind there were."""
    found: Counter[str] = Counter()

    def hide(kind_of: Callable[[str], str]) -> Callable[[re.Match[str]], str]:
        def hidden(match: re.Match[str]) -> str:
            kind = kind_of(match[0])
            found.update([kind] if kind else [])
            return f"[{kind}]" if kind else match[0]

        return hidden

    text = _EMAIL.sub(hide(lambda found: "e-mail"), text)
    text = _IBAN.sub(hide(lambda found: "account" if _is_iban(found) else ""), text)
    return _NUMBER.sub(hide(_number), text), found


def _number(text: str) -> str:
    """`card`, `phone`, or empty for any other number."""
    digits = re.sub(r"\D", "", text)
    if any(form.fullmatch(text) for form in (_THOUSANDS, _DATES, _YEARS, _IP, _DECIMAL)):
        return ""
    if 13 <= len(digits) <= 19 and not text.startswith("+") and _is_card(digits):
        return "card"
    if len(digits) == 13 and digits.startswith(("978", "979")):  # the number of a book
        return ""
    if text.startswith("+"):
        return "phone" if 8 <= len(digits) <= 15 else ""
    if _GROUPED.fullmatch(text):
        return "phone" if 9 <= len(digits) <= 15 else ""
    return "phone" if _CHINESE_MOBILE.fullmatch(text) else ""


def _is_card(digits: str) -> bool:
    """The Luhn check: every second digit from the right doubled, the digits of all that summed."""
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return sum(number // 10 + number % 10 for number in doubled) % 10 == 0


def _is_iban(text: str) -> bool:
    """ISO 7064 mod 97-10: the first four characters behind the others, letters as 10 to 35."""
    plain = text.replace(" ", "")
    return 15 <= len(plain) <= 34 and int("".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1
