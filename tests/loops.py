"""Answers that repeat much and are none the worse for it, and answers that loop.

`PROGRESSING` are whole answers: something in them changes in a regular way, or they end. `LOOPS` are what a small model
writes until it is stopped: a beginning, and what comes again and again.
"""

from __future__ import annotations

import random
from itertools import pairwise

from tests.songs import SONGS

_chance = random.Random(5)


def lines(count: int, line: str, start: int = 1, **more: object) -> str:
    """`line` for each number `n` from `start`, a line each; the line is an f-string in `n`, without its quotes."""
    code = compile(f"f{line!r}", "line", "eval")
    return "".join(f"{eval(code, {**more, 'n': n})}\n" for n in range(start, start + count))


def code(language: str, text: str) -> str:
    return f"```{language}\n{text}```\n"


DAYS_ZH = "一二三四五六七八九十"
_GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon"
_CITIES = "Paris Madrid Rome Berlin Vienna Lisbon Athens Warsaw Prague Dublin Oslo Helsinki Budapest Sofia Zagreb"
_COUNTRIES = (
    "France Spain Italy Germany Austria Portugal Greece Poland Czechia Ireland Norway Finland Hungary Bulgaria Croatia"
)
_CITIES_ZH, _COUNTRIES_ZH = "巴黎 东京 伦敦 柏林 北京 首尔 曼谷 新德里", "法国 日本 英国 德国 中国 韩国 泰国 印度"
_ROMAN = "I II III IV V VI VII VIII IX X XI XII"
GREEK, CITIES, COUNTRIES, ROMAN = (names.split() for names in (_GREEK, _CITIES, _COUNTRIES, _ROMAN))

PROGRESSING: dict[str, str] = {
    "JSON rows": code("json", "[\n" + lines(30, '  {{"id": {n}, "value": {n * 10}}},') + "]\n"),
    "JSON rows of flags": code("json", lines(40, '{{"id": {n}, "active": true, "role": "user", "tags": []}},')),
    "SQL inserts": code("sql", lines(25, "INSERT INTO scores (id, score) VALUES ({n}, {n * 7});")),
    "SQL inserts without a fence": lines(25, "INSERT INTO scores (id, score) VALUES ({n}, {n * 7});"),
    "HTML rows": code("html", "<table>\n" + lines(30, "<tr><td>{n}</td><td>{n * n}</td></tr>") + "</table>\n"),
    "empty HTML cells": code("html", "<tr>\n" + "  <td></td>\n" * 24 + "</tr>\n"),
    "asserts": code("python", lines(20, "    assert fibonacci({n}) == {n * 3 + 1}")),
    "C assignments": code("c", lines(20, "    table[{n}] = compute({n}, {n * n});")),
    "C array of zeros": code("c", "int a[100] = {" + "0, " * 100 + "};\n"),
    "CSS columns": code("css", lines(12, ".col-{n} {{ width: {n * 8}.33%; float: left; }}")),
    "SVG circles": code("svg", lines(24, '<circle cx="{n * 10}" cy="{n * 5}" r="4" fill="red"/>')),
    "YAML hosts": code("yaml", lines(20, "  - name: web-{n}\n    image: nginx:latest\n    restart: always")),
    "printed hellos": code("python", "print('Hello, world!')\n" * 20),
    "a switch": code("c", lines(20, '        case {n}: return "{w[n - 1]}"; break;', w=GREEK)),
    "curl commands": code("sh", lines(20, "curl -s https://example.org/items/{n} -o item_{n}.json")),
    "a zero matrix": code("", ("0 0 0 0 0 0 0 0\n") * 8),
    "times table of 7": lines(12, "7 multiplied by {n} equals {7 * n}."),
    "times tables": "".join(lines(10, f"{k} × {{n}} = {{{k} * n}}") for k in range(1, 11)),
    "powers of two": lines(30, "2 to the power of {n} is {2 ** n}."),
    "inches to centimetres": lines(40, "{n} inches = {n * 2.54:.2f} centimetres"),
    "Celsius to Fahrenheit": lines(40, "{n} °C = {n * 9 / 5 + 32:.1f} °F"),
    "counting": ", ".join(map(str, range(1, 400))),
    "squares in words": lines(30, "The square of {n} is {n * n}, and the cube of {n} is {n ** 3}."),
    "odd and even": lines(40, "{n} is an {'even' if n % 2 == 0 else 'odd'} number."),
    "a table of years": "| Year | Units | Growth |\n|---|---|---|\n" + lines(30, "| {n} | {n * 123} | 5 % |", 1990),
    "a table of yes and no": "| A | B | C | D |\n|---|---|---|---|\n" + "| Yes | No | Yes | No |\n" * 30,
    "binary digits": "".join(f"{n:08b} " for n in range(80)),
    "a repeating decimal": "1/3 = 0." + "3" * 200,
    "digits of zero and one": "01" * 120,
    "a DNA repeat": "ATG" * 80,
    "truth table": "".join(
        f"{a} and {b} and {c} and {d} is {a and b and c and d}\n"
        for a in (True, False)
        for b in (True, False)
        for c in (True, False)
        for d in (True, False)
    ),
    "day plan": lines(30, "Day {n}: run {n} km, rest {n * 2} minutes, drink {n % 4 + 3} glasses of water."),
    "a day plan that only counts": lines(14, "Day {n}: walk for half an hour and stretch for ten minutes."),
    "week plan": lines(12, "Week {n}: add {n * 5} minutes of running and take two days of rest."),
    "log lines": lines(25, "2024-01-{n:02d} 10:00:0{n % 10} INFO request {n} took {n * 3} ms"),
    "table of contents": lines(15, "Chapter {n} ....................... page {n * 12}"),
    "links": lines(30, "- item_{n:03d}: https://example.org/items/{n}"),
    "capitals": "".join(f"The capital of {b} is {a}. " for a, b in zip(CITIES, COUNTRIES, strict=True)),
    "capitals as a list": "".join(f"- **{b}**: the capital is {a}.\n" for a, b in zip(CITIES, COUNTRIES, strict=True)),
    "kings": "".join(f"Louis {r} was a king of France.\n" for r in ROMAN),
    "a worksheet": lines(12, "{n}. Name: __________ Date: __________"),
    "questions and answers": lines(12, "Q{n}: What is {n} plus {n}?\nA{n}: {n} plus {n} is {2 * n}."),
    "written ten times": "All work and no play makes Jack a dull boy. " * 10,
    "drawn lines": "-" * 300 + "\n" + "=" * 300,
    "an empty page": " " * 500,
    "closing brackets": "\n".join("  " * depth + "}" for depth in range(30, 0, -1)),
    "the same program twice": code("python", lines(20, "def f{n}(x):\n    return x * {n}")) * 2,
    "the same paragraph twice": (" ".join(f"Then {g} met {h} at noon." for g, h in pairwise(GREEK))) * 2,
    "Chinese times table": lines(9, "七乘以{n}等于{7 * n}。"),
    "Chinese reading plan": lines(30, "第{n}天：阅读课本第{n}章，完成练习{n}，并复习前一天学过的内容和生词。"),
    "Chinese numerals": "".join(f"第{d}步：把数字{d}写在纸上，然后念出来。\n" for d in DAYS_ZH),
    "Chinese conversions": lines(30, "{n}公里等于{n * 1000}米，也等于{n * 2}里。"),
    "Chinese table": "| 年份 | 人口 |\n|---|---|\n" + lines(30, "| {n}年 | {n * 17}万 |", 1990),
    "Chinese capitals": "".join(
        f"{country}的首都是{city}。" for country, city in zip(_COUNTRIES_ZH.split(), _CITIES_ZH.split(), strict=True)
    ),
    **SONGS,
}
"""Whole answers that are no loops."""

_ADVICE = (
    "The answer depends on the context and on the person who asks, since many factors play a role. First, one must "
    "look at the history. Then one must consider the present state, and the many opinions that people hold. Finally "
    "there is the future, which nobody knows, and which will surprise us all in ways that we cannot see yet. "
)
_CASES = " ".join(
    f"Consider the {a} case which has been told before by the {b}." for a, b in zip(GREEK[:-3], GREEK[3:], strict=True)
)
_SORRY = "I am sorry, but I cannot answer that question, because I am only a language model. "


def _shuffled(pieces: list[str], count: int) -> str:
    return "".join(_chance.choice(pieces) for _ in range(count))


LOOPS: dict[str, str] = {
    "a sentence": "It is a very long river. " * 80,
    "an apology": _SORRY * 25,
    "a question and its answer": "Is it? Yes, it is. " * 80,
    "two sentences": "I do not know. You should ask somebody else. " * 40,
    "a paragraph": _ADVICE * 8,
    "a paragraph of 850 characters": (_ADVICE + _CASES + " ") * 6,
    "a page": (_ADVICE + _CASES + _CASES.swapcase() + " ") * 5,
    "a word": "ha " * 700,
    "a word and a comma": "very, " * 300,
    "a letter": "a" * 1500,
    "a syllable": "lalala" * 200,
    "an emoji": "😀" * 300,
    "two emoji": "🎉🎊" * 200,
    "line breaks": "\n" * 800,
    "line breaks and spaces": " \n" * 500,
    "spaces": " " * 2500,
    "hashes": "#" * 900,
    "dots": ". " * 600,
    "stars": "*" * 900,
    "bold": "**bold** " * 200,
    "a list without counters": "- Be polite and honest.\n" * 60,
    "a list with counters": lines(70, "{n}. Add the flour and stir until it is smooth."),
    "a list with letters": lines(60, "{chr(97 + n % 26)}) The quick brown fox jumps over the lazy dog and runs away."),
    "a list of steps": lines(70, "Step {n}: Check that the server is running and restart it if it is not."),
    "a list in brackets": lines(70, "({n}) Make sure that the cable is plugged in and try again."),
    "a list with Roman numerals": "".join(f"{r}. The king went to war and lost.\n" for r in ROMAN * 6),
    "a heading": "## Conclusion\n\nIn conclusion, it depends.\n\n" * 30,
    "a table row": "In the year, the company grew, and so did the market, and so did the price.\n" * 20,
    "a dialogue": "A: How are you?\nB: I am fine, and you?\n" * 40,
    "an alternation of case": "I am Sorry. I am sorry. " * 70,
    "names in turn": _shuffled([f"{c} is a beautiful city with a rich history and culture. " for c in CITIES[:4]], 70),
    "sentences in no order": _shuffled(
        ["It rained all day. ", "The river rose by a foot. ", "Nobody came to help. ", "The town was lost. "], 300
    ),
    "growing": "".join("very " * n + "good. " for n in range(1, 45)),
    "two paragraphs in no order": _shuffled([_ADVICE, _SORRY * 2, _CASES + " "], 24),
    "a tag": "<br>" * 400,
    "a citation": "[1] The source says so. " * 60,
    "a quotation": "> To be, or not to be, that is the question.\n" * 40,
    "an address": "https://example.org/a/a" + "/a" * 700,
    "code": "```python\n" + "    x = x + 1\n" * 200,
    "a function": "```python\n" + "def add(a, b):\n    return a + b\n\n\n" * 60,
    "a long function": "```c\n" + lines(9, "    value_{n} = read({n}) + write({n});") * 12,
    "a Chinese sentence": "这是一条很长的河流。" * 40,
    "a Chinese word": "哈哈" * 400,
    "a Chinese paragraph": "对不起，我无法回答这个问题，因为我只是一个语言模型。您可以换一种方式提问。" * 12,
    "a Chinese list": lines(60, "{n}、请检查网络连接是否正常，然后重新启动设备。"),
    "Chinese steps": lines(60, "第{n}步：请检查网络连接是否正常，然后重新启动设备。"),
    "Chinese sentences in no order": _shuffled(
        ["今天下了一天的雨。", "河水涨得很高。", "没有人来帮忙。", "整个城市都被淹没了。"], 300
    ),
    "Chinese names in turn": _shuffled(
        [f"{c}是一座历史悠久、文化丰富的美丽城市，值得一去。" for c in ("巴黎", "罗马", "柏林")], 60
    ),
}
"""What is written until it is stopped."""
