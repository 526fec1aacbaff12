"""Templates whose words belong to the sentence they stand in; all others are dropped.

A wiki has tens of thousands of templates and a dump does not expand them. These few dozen carry words of a sentence:
a length, a name in another language, a quotation. Infoboxes, notes and navigation are no part of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

_NAMED = re.compile(r"\s*([\w -]{1,40}?)\s*=(?!=)")
_SPACES = re.compile(r"[\s_]+")
_NUMBER = re.compile(r"[+\-−]?[\d.,/⁄ ]+(?:e\d+)?")
_BETWEEN = {"-": "–", "–": "–", "to": " to ", "to(-)": " to ", "and": " and ", "or": " or ", "x": " × ", "×": " × "}


@dataclass(frozen=True, slots=True)
class Call:
    """A template as it is called: what stands between its bars, already as text."""

    given: Sequence[str]
    """Without names, in order."""
    named: Mapping[str, str] = field(default_factory=dict)

    def at(self, number: int) -> str:
        """The `number`-th of those without names, from 1; empty where there are not so many."""
        return self.given[number - 1] if number <= len(self.given) else self.named.get(str(number), "")


def called(arguments: Sequence[str]) -> Call:
    """The call with these arguments, each `text` or `name = text`."""
    given: list[str] = []
    named: dict[str, str] = {}
    for argument in arguments:
        match = _NAMED.match(argument)
        if match:
            named[match[1]] = argument[match.end() :].strip()
        else:
            given.append(argument.strip())
    return Call(given, named)


def template_name(text: str) -> str:
    """The name as it is looked up: the first letter does not matter, nor do a namespace and underscores."""
    name = _SPACES.sub(" ", text).strip().lower()
    return name.removeprefix("template:").removeprefix("模板:")


Words = Callable[[Call], str]


def _nth(number: int) -> Words:
    return lambda call: call.at(number)


def _first_or(fallback: int) -> Words:
    return lambda call: call.at(1) or call.at(fallback)


def _last(call: Call) -> str:
    return call.given[-1] if call.given else ""


def _text(words: str) -> Words:
    return lambda call: words


def _before(words: str) -> Words:
    return lambda call: f"{words}{call.at(1)}" if call.at(1) else ""


def _joined(between: str, first: int = 1) -> Words:
    return lambda call: between.join(filter(None, call.given[first - 1 :]))


def _convert(call: Call) -> str:
    """“5 km” of 5|km|mi, “5–10 km” of 5|-|10|km, “6 ft 2 in” of 6|ft|2|in."""
    written: list[str] = []
    given = list(call.given)
    while given and (_NUMBER.fullmatch(given[0]) or given[0].lower() in _BETWEEN):
        one = given.pop(0)
        written.append(_BETWEEN.get(one.lower(), one))
    unit = given.pop(0) if given else ""
    while len(given) > 1 and _NUMBER.fullmatch(given[0]):  # feet and inches
        unit += f" {given[0]} {given[1]}"
        del given[:2]
    return f"{''.join(written)} {unit}".strip()


def _value(call: Call) -> str:
    unit = call.named.get("u") or call.named.get("ul") or call.named.get("up") or ""
    return f"{call.at(1)} {unit}".strip()


def _fraction(call: Call) -> str:
    parts = [part for part in call.given if part]
    return "/".join(parts) if len(parts) < 3 else f"{parts[0]} {parts[1]}/{parts[2]}"


def _ship(prefix: str = "") -> Words:
    def words(call: Call) -> str:
        name, number = (call.at(1), call.at(2)) if prefix else (f"{call.at(1)} {call.at(2)}".strip(), call.at(3))
        return f"{prefix} {name}".strip() + (f" ({number})" if number else "")

    return words


def _nihongo(call: Call) -> str:
    others = ", ".join(filter(None, (call.at(2), call.at(3))))
    return f"{call.at(1)} ({others})" if call.at(1) and others else call.at(1) or others


def _chinese(call: Call) -> str:
    known = [call.named.get(key, "") for key in ("c", "s", "t", "p")]
    return ", ".join(dict.fromkeys(filter(None, [*call.given, *known])))


def _quotation(call: Call) -> str:
    words = call.at(1) or call.named.get("text") or call.named.get("quote") or ""
    return f"\n\n{words}\n\n" if "\n" in words else words


def _height(call: Call) -> str:
    return " ".join(f"{call.named[unit]} {unit}" for unit in ("m", "cm", "ft", "in") if call.named.get(unit))


def _listed(call: Call) -> str:
    """A list that is given as lines of its own stays one; what is given one by one becomes one line."""
    if len(call.given) == 1:
        return f"\n{call.given[0]}\n"
    return "; ".join(filter(None, call.given))


_LEFT: Mapping[str, Words] = {
    "nowrap|nobr|nobreak|nowraplinks|small|smaller|larger|big|resize|em|strong|bold|italic": _last,
    "color|colour|font|fontcolor|font color|text color|color text": _last,
    "lang|zh-lang|lang-latn": _nth(2),
    "transl|transliteration|tlit": _last,
    "abbr|abbrlink|tooltip|hover|sic|as written|not a typo|typo|proper name": _nth(1),
    "sub|sup|mvar|var|kbd|samp|code|mono|key|keypress|button": _nth(1),
    "ruby|ruby-ja|ill|illm|interlanguage link|interlanguage link multi": _nth(1),
    "link-en|link-de|link-fr|link-ja|link-ru|link-es|link-ko|internal link helper": _nth(1),
    "le|lj|lr|lien": _nth(1),
    "tsl|translink": lambda call: call.at(3) or call.at(2),
    "linktext": _joined(""),
    "convert|cvt|conv": _convert,
    "val": _value,
    "frac|fraction|sfrac": _fraction,
    "nihongo|nihongo2|nihongo3|nihongo4": _nihongo,
    "zh": _chinese,
    "quote|blockquote|cquote|quotation|bquote|centered pull quote|quote box|poem|poemquote|verse": _quotation,
    "plainlist|flatlist|ubl|unbulleted list|hlist|plain list|cslist": _listed,
    "height": _height,
    "circa|c.|ca.": _before("c. "),
    "floruit|fl.": _before("fl. "),
    "as of": _before("as of "),
    "us$|usd|us dollar": _before("US$"),
    "a$|aud": _before("A$"),
    "c$|cad": _before("C$"),
    "£|gbp": _before("£"),
    "€|eur": _before("€"),
    "¥|jpy|cny": _before("¥"),
    "inr|indian rupee|indianrupee": _before("₹"),
    "flag|flagcountry|flagu|noflag": _nth(1),
    "uss": _ship("USS"),
    "hms": _ship("HMS"),
    "ss": _ship("SS"),
    "rms": _ship("RMS"),
    "ship": _ship(),
    "nbsp|space|spaces": _text(" "),
    "snd|spnd|spaced ndash|spaced en dash": _text(" – "),
    "ndash|en dash|endash": _text("–"),
    "mdash|em dash|emdash": _text("—"),
    "'|apostrophe": _text("'"),
    "·|dot|•|bullet|middot": _text(" · "),
    "=": _text("="),
    "!": _text("|"),
    "pi": _text("π"),
    "number sign": _text("#"),
}
_BY_NAME = {name: words for names, words in _LEFT.items() for name in names.split("|")}
_FUNCTIONS = ("formatnum:", "lc:", "uc:", "lcfirst:", "ucfirst:", "nowrap:")
"""Functions of the parser whose words stay as they are given."""


def words_of(name: str) -> Words | None:
    """How the template of this `template_name` is written out; None where it is dropped."""
    found = _BY_NAME.get(name)
    if found is None and name.startswith("lang-") and len(name) < 16:  # {{lang-fr|mot}}
        return _nth(1)
    return found


def function_words(name: str) -> int:
    """Characters of a name that call a function of the parser; 0 where it calls none whose words stay."""
    return next((len(function) for function in _FUNCTIONS if name.startswith(function)), 0)


_TOLD_APART = (
    "disambig|disambiguation|disamb|dab|disambiguation page|hndis|geodis|human name disambiguation|place name "
    "disambiguation|mathdab|airport disambiguation|school disambiguation|hospital disambiguation|numberdis|letter "
    "disambiguation|letter–number combination disambiguation|call sign disambiguation|species latin name "
    "disambiguation|disambiguation cleanup|disambig-cleanup|roaddis|schooldis|消歧义|消歧義|消歧义页|消歧義頁|"
    "曖昧さ回避|aimai|동음이의|동음이의어 문서|begriffsklärung|homonymie|desambiguación|disambigua|desambiguação|dp|"
    "неоднозначность|ujednoznacznienie|förgrening|flertydig|peker|неоднозначність"
)
_DISAMBIGUATION = frozenset(_TOLD_APART.split("|"))
_OTHER_TITLE = re.compile(
    r"[(（](?:disambiguation|消歧义|消歧義|曖昧さ回避|begriffsklärung|homonymie|desambiguación)[)）]$"
)
_CALLED = re.compile(r"\{\{([^{}|<>\[\]\n]{1,60})")


def tells_apart(title: str, text: str) -> bool:
    """Whether the page only lists what its title may mean, as its templates, its magic word or its title say."""
    if _OTHER_TITLE.search(title.lower()) or "__DISAMBIG__" in text:
        return True
    return any(template_name(match[1]) in _DISAMBIGUATION for match in _CALLED.finditer(text))
