"""How an answer is scored, by the item's own data and never by a model: 0 to 1, by kind of check.

An item's checks are multiplied, so that an answer which breaks a rule is worth nothing and one that is half right half.
What each kind is told stands in `KINDS`. Citations are taken off the answer first. Kinds of right answers:

- `exact`: it is one of the item's answers; `f1`: its tokens in common with the best of them (`evaluation.squad`)
- `holds`: one of the item's answers stands in it, as whole words (Chinese: as characters)
- `label`: it names `label` and no other of `labels`
- `points`: the share of `points` that it mentions, each a list of wordings as `holds` finds them; an answer that is
  twice as long as `most_words` or `most_characters` is worth half of that
- `json`: it is, or holds in a code block, JSON that equals `equals`; texts are compared as `exact` does
- `table`: F1 of its cells against `rows` under `columns`, see `evaluation.tables`
- `python`: its code passes all `tests`, see `evaluation.code_run`
- `refuses`: it says that it cannot be answered
- `bears`: it mentions one of `new` and none of `old`: of a conversation that went on to something else

Kinds of rules, for formats: `bullets`, `numbered`, `sentences`, `paragraphs` (`count` of them), `words` and
`characters` (`least`, `most`), `lines` (`least`, `most`, and what `each` matches), `regex` (`pattern`, which the whole
answer matches), `begins`, `ends` (`text`), `case` (`is`: upper or lower), `mentions` (`all`), `lacks` (`any`),
`keys` (a JSON object with exactly `keys`, whose values are of `types`), `language` (`is`: zh or en).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chat.citations import ALWAYS, renumbered
from evaluation.code_run import passes
from evaluation.items import Check, Item
from evaluation.refusals import refuses
from evaluation.squad import exact, f1, normalise, tokens
from evaluation.tables import cells_f1, in_block, table_in
from retrieval.sentences import sentences
from retrieval.text import CJK, HAN

_BULLET = re.compile(r"[ \t]*[-*•][ \t]+\S")
_NUMBERED = re.compile(r"[ \t]*(\d+)[.)、]\s*\S")
_HYPHEN = re.compile(r"[-‐‑–—/]")
_LETTER = re.compile(r"[^\W\d_]")
_IS_HAN, _IS_CJK = re.compile(f"[{HAN}]"), re.compile(f"[{CJK}]")
_CHINESE = 0.5
"""Share of the words, of which a Chinese character is one, that are Chinese in a Chinese text: names may be Latin."""

Told = Mapping[str, Any]
Score = Callable[[Item, Told, str], float]


@dataclass(frozen=True, slots=True)
class Field:
    """What a check is told: in words, and whether a value is that."""

    words: str
    fits: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of check: how it scores, and the fields that it must and may be told."""

    score: Score
    needs: Mapping[str, Field] = field(default_factory=dict)
    may: Mapping[str, Field] = field(default_factory=dict)
    compares: bool = False
    """Whether it compares with the item's answers."""


def score(item: Item, answer: str) -> float:
    """What an answer is worth, 0 to 1."""
    plain = without_citations(answer, len(item.sources)).strip()
    worth = 1.0
    for check in item.checks:
        worth *= KINDS[check.kind].score(item, check.told, plain)
        if not worth:
            break
    return worth


def fault(check: Check) -> str:
    """What is wrong with a check, as the end of a sentence; empty where nothing is."""
    kind = KINDS.get(check.kind)
    if kind is None:
        return f"there is no check “{check.kind}”; use one of {', '.join(sorted(KINDS))}."
    for name, wanted in kind.needs.items():
        if name not in check.told:
            return f"the check “{check.kind}” needs “{name}” ({wanted.words})."
    fields = {**kind.needs, **kind.may}
    for name, value in check.told.items():
        if name not in fields:
            return f"the check “{check.kind}” knows no “{name}”."
        if not fields[name].fits(value):
            return f"the check “{check.kind}” cannot use “{name}”: {value!r}; give {fields[name].words}."
    return ""


def without_citations(text: str, sources: int) -> str:
    """A text without its `[n]` and the space before them; all of it where nothing could be cited."""
    return renumbered(text, dict.fromkeys(range(max(sources, ALWAYS) + 1), 0)) if sources else text


def mentioned(text: str, wordings: Sequence[str]) -> bool:
    """Whether a text holds one of the wordings, as whole words, or as characters where they are Chinese."""
    said = _words_of(text)
    return any(_within(_words_of(each), said) for each in wordings)


def _words_of(text: str) -> list[str]:
    """Words as SQuAD compares them; a hyphen divides."""
    return tokens(normalise(_HYPHEN.sub(" ", text)))


def _within(few: Sequence[str], many: Sequence[str]) -> bool:
    return bool(few) and any(list(many[i : i + len(few)]) == list(few) for i in range(len(many) - len(few) + 1))


def _gold(item: Item) -> list[str]:
    return [normalise(each) for each in item.answers]


def _exact(item: Item, told: Told, answer: str) -> float:
    return float(exact(normalise(answer), _gold(item)))


def _f1(item: Item, told: Told, answer: str) -> float:
    return f1(normalise(answer), _gold(item))


def _holds(item: Item, told: Told, answer: str) -> float:
    return float(mentioned(answer, item.answers))


def _label(item: Item, told: Told, answer: str) -> float:
    named = [label for label in told["labels"] if mentioned(answer, [label])]
    return float(named == [told["label"]])


def _points(item: Item, told: Told, answer: str) -> float:
    share = sum(mentioned(answer, wordings) for wordings in told["points"]) / len(told["points"])
    sizes = {"most_words": len(answer.split()), "most_characters": len("".join(answer.split()))}
    within = [min(1.0, told[most] / max(1, size)) for most, size in sizes.items() if most in told]
    return share * min(within, default=1.0)


def _json(item: Item, told: Told, answer: str) -> float:
    found = _parsed(answer)
    return float(found is not None and _folded(found) == _folded(told["equals"]))


def _parsed(answer: str) -> Any:
    """The JSON that an answer is or holds in its first code block; None where there is none."""
    try:
        return json.loads(in_block(answer))
    except (ValueError, RecursionError):
        return None


def _folded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key.casefold(): _folded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_folded(each) for each in value]
    return normalise(value) if isinstance(value, str) else value


def _table(item: Item, told: Told, answer: str) -> float:
    return cells_f1(table_in(answer), [told["columns"], *told["rows"]])


def _python(item: Item, told: Told, answer: str) -> float:
    return float(passes(in_block(answer), told["tests"]))


def _refuses(item: Item, told: Told, answer: str) -> float:
    return float(refuses(answer))


def _bears(item: Item, told: Told, answer: str) -> float:
    return float(mentioned(answer, told["new"]) and not mentioned(answer, told["old"]))


def _lines(answer: str) -> list[str]:
    return [line for line in answer.splitlines() if line.strip()]


def _bullets(item: Item, told: Told, answer: str) -> float:
    lines = _lines(answer)
    return float(len(lines) == told["count"] and all(_BULLET.match(line) for line in lines))


def _numbered(item: Item, told: Told, answer: str) -> float:
    found = [match[1] if (match := _NUMBERED.match(line)) else "" for line in _lines(answer)]
    return float(found == [str(n + 1) for n in range(told["count"])])


def _sentences(item: Item, told: Told, answer: str) -> float:
    return float(len(sentences(answer)) == told["count"])


def _paragraphs(item: Item, told: Told, answer: str) -> float:
    return float(len([part for part in re.split(r"\n\s*\n", answer) if part.strip()]) == told["count"])


def _between(count: int, told: Told) -> float:
    return float(told.get("least", 1) <= count <= told.get("most", count))


def _words(item: Item, told: Told, answer: str) -> float:
    return _between(len(answer.split()), told)


def _characters(item: Item, told: Told, answer: str) -> float:
    return _between(len("".join(answer.split())), told)


def _line_count(item: Item, told: Told, answer: str) -> float:
    lines = [line.strip() for line in _lines(answer)]
    fits = all(re.fullmatch(told["each"], line) for line in lines) if "each" in told else True
    return float(fits and _between(len(lines), told))


def _regex(item: Item, told: Told, answer: str) -> float:
    return float(re.fullmatch(told["pattern"], answer, re.DOTALL) is not None)


def _begins(item: Item, told: Told, answer: str) -> float:
    return float(answer.startswith(told["text"]))


def _ends(item: Item, told: Told, answer: str) -> float:
    return float(answer.endswith(told["text"]))


def _case(item: Item, told: Told, answer: str) -> float:
    return float(bool(_LETTER.search(answer)) and answer == getattr(answer, told["is"])())


def _mentions(item: Item, told: Told, answer: str) -> float:
    return float(all(mentioned(answer, [each]) for each in told["all"]))


def _lacks(item: Item, told: Told, answer: str) -> float:
    said = answer.casefold()
    return float(bool(said) and not any(each.casefold() in said for each in told["any"]))


_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "text": str,
    "number": (int, float),
    "list": list,
    "object": dict,
    "boolean": bool,
}


def _keys(item: Item, told: Told, answer: str) -> float:
    found, types = _parsed(answer), told.get("types", {})
    if not isinstance(found, dict) or set(found) != set(told["keys"]):
        return 0.0
    return float(all(key in found and _is(found[key], kind) for key, kind in types.items()))


def _is(value: object, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and not (kind == "number" and isinstance(value, bool))


def _language(item: Item, told: Told, answer: str) -> float:
    said = [each for each in tokens(normalise(answer)) if _LETTER.search(each)]
    chinese = sum(_IS_HAN.search(each) is not None for each in said)
    return float(bool(said) and (chinese >= _CHINESE * len(said) if told["is"] == "zh" else not _IS_CJK.search(answer)))


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)


def _are_lists(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_are_texts, value))


def _is_pattern(value: object) -> bool:
    try:
        return isinstance(value, str) and re.compile(value) is not None
    except re.error:
        return False


def _one_of(*words: str) -> Field:
    return Field(" or ".join(words), lambda value: value in words)


_NUMBER = Field("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0)
_TEXT = Field("text", lambda value: isinstance(value, str))
_TEXTS = Field("a list of texts", _are_texts)
_LISTS = Field("a list of lists of texts", _are_lists)
_PATTERN = Field("a regular expression", _is_pattern)
_TYPED = Field(
    f"by key one of {', '.join(_TYPES)}",
    lambda value: isinstance(value, dict) and all(isinstance(kind, str) and kind in _TYPES for kind in value.values()),
)
_ANYTHING = Field("JSON", lambda value: True)
_COUNT, _RANGE = {"count": _NUMBER}, {"least": _NUMBER, "most": _NUMBER}
KINDS: Mapping[str, Kind] = {
    "exact": Kind(_exact, compares=True),
    "f1": Kind(_f1, compares=True),
    "holds": Kind(_holds, compares=True),
    "label": Kind(_label, {"labels": _TEXTS, "label": _TEXT}),
    "points": Kind(_points, {"points": _LISTS}, {"most_words": _NUMBER, "most_characters": _NUMBER}),
    "json": Kind(_json, {"equals": _ANYTHING}),
    "table": Kind(_table, {"columns": _TEXTS, "rows": _LISTS}),
    "python": Kind(_python, {"tests": _TEXTS}),
    "refuses": Kind(_refuses),
    "bears": Kind(_bears, {"new": _TEXTS, "old": _TEXTS}),
    "bullets": Kind(_bullets, _COUNT),
    "numbered": Kind(_numbered, _COUNT),
    "sentences": Kind(_sentences, _COUNT),
    "paragraphs": Kind(_paragraphs, _COUNT),
    "words": Kind(_words, may=_RANGE),
    "characters": Kind(_characters, may=_RANGE),
    "lines": Kind(_line_count, may={**_RANGE, "each": _PATTERN}),
    "regex": Kind(_regex, {"pattern": _PATTERN}),
    "begins": Kind(_begins, {"text": _TEXT}),
    "ends": Kind(_ends, {"text": _TEXT}),
    "case": Kind(_case, {"is": _one_of("upper", "lower")}),
    "mentions": Kind(_mentions, {"all": _TEXTS}),
    "lacks": Kind(_lacks, {"any": _TEXTS}),
    "keys": Kind(_keys, {"keys": _TEXTS}, {"types": _TYPED}),
    "language": Kind(_language, {"is": _one_of("zh", "en")}),
}
