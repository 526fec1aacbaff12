"""Chinese follow-up questions: pronouns replaced by what they stand for, left-out parts put back.

The rules, tried in order; the first that fits says what is searched for:

- “再说说”: about the topic of the last question;
- “为什么？”, “那是哪一年？”: the last question, asked for something else;
- “最大的呢？”, “第二个呢？”: the last question with another rank;
- “他是哪里人？”, “这本书”: the pronoun gives way to what it stands for;
- “那德国呢？”, “面积呢？”: the last question with another name, or the topic's area;
- “什么时候建成的？”, “有几种？”: a question without a subject gets the topic in front.

A question that fits none of them stays as it is. Patterns are written in simplified characters and met by either form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from retrieval.chinese import ASKING, BELONGING, VERB, WHEN, WHERE, WHY, lacks_subject
from retrieval.mentions import Kind, Turn
from retrieval.mentions_zh import antecedent, asked_anew, subject, topic
from retrieval.text import HAN, simplified

_LEAD_IN = re.compile(
    "^(?:那么|那就|那(?![里儿边个座位种条本部场项件时年些])|还有|然后|另外|所以|而且|请问|哦|嗯|好的)[，, ]*"
)
_COURTESY = re.compile(
    "(?:好的?|谢谢|多谢|感谢|你|您|了|啊|呀|嗯|哦|哈|呵|嘿|嘻|对不起|抱歉|不好意思|对|是的|明白|知道|再见|拜拜|真|棒|厉害|太|不错|"
    "什么|怎么|吗|呢|不|没事|没关系|[，。！？!?, ~～…])+"
)
_BARE = re.compile(f"^是?(?P<word>{WHY}|{WHEN}|{WHERE}|怎么|多少)(?:呢|的|的事|的事情|啊|了)?[？?。！!]*$")
_THAT_EVENT = re.compile(
    f"^(?:那|这|那件事|这件事)(?:是|发生在)(?:在)?(?P<word>{WHEN}|{WHERE})(?:呢|的|的事|的事情|发生的)?[？?。！!]*$"
)
_WHAT_ABOUT = re.compile(r"^(?P<what>.{1,12}?)(?:又?怎么样|如何)?呢?[？?。!！]*$")
_MORE = re.compile(
    "^(?:请|能|可以)?(?:再|多)?(?:继续|详细|具体|多说|再说|说说|讲讲|介绍|展开|还有吗|还有呢|说)"
    "(?:一下|一点|一些|点|些|吧|吗|细节|内容|介绍|说明|说|讲|下去|它|他|她|这个|详细)*[？?。！!]*$"
)
_ORDER = "第[一二三四五六七八九十百0-9]+"
_RANK = re.compile(f"{_ORDER}|最[{HAN}]")
_RANK_ALONE = re.compile(
    f"^(?P<rank>{_ORDER}|最[{HAN}])(?:个|名|位|大|种|颗|座|条)?的?(?:是谁|是什么|是哪个|是哪颗|又?是谁)?呢?[？?。！!]*$"
)
_THIS = "(?:这|那|该)(?:个|种|座|本|部|场|条|项|件|位|名)?"
_THINGS = "东西|事|书|小说|电影|战争|山|河|湖|动物|植物|公司|学校|大学|建筑|画|诗"
_PLACES = "里|儿|边|国家|城市|地方|地|国|省|岛"
_PEOPLE = "人|科学家|作家|诗人|皇帝|总统|作者|画家"
_PRONOUNS = (
    (Kind.PERSON, re.compile("(?<![其吉])[他她](?!们)")),
    (Kind.GROUP, re.compile("[他她它牠]们")),
    (Kind.THING, re.compile(f"[它牠](?!们)|(?<![尤极与])其(?![他它实中次余])|{_THIS}(?:{_THINGS})")),
    (Kind.PLACE, re.compile(f"当地|{_THIS}(?:{_PLACES})")),
    (Kind.PERSON, re.compile(f"{_THIS}(?:{_PEOPLE})")),
)
_NAMED_BEFORE = re.compile(f"(?:{ASKING.pattern}|{VERB}|[是了呢吗的有在从被由把给对跟和还又都也？?。！!，,\\s]|请问)")
_OWNED = re.compile(rf"^(?:在|关于)?([{HAN}\w·]{{1,12}}?)(?:的|之)")
_PART = re.compile(rf"^[^的]{{1,12}}的([{HAN}]{{2,4}}?)(?=是|有|在|为)")
_YEAR = re.compile(r"\d{3,4}年?")
_OF_SOMEBODY = re.compile("^(?!.*谁).*(?:出生|去世|逝世|哪里人|哪国人|怎么死|活了|多少岁|几岁|结婚|妻子|丈夫|孩子)")
_CALLED = re.compile("^为什么(?:又)?(?:被)?(?:叫做?|称为|称作)(?P<name>.{1,6}?)[？?。]*$")
_WHOSE_WHEN = re.compile(rf"^[{HAN}]{{1,4}}(?:人|队|版)(?:是)?(?:{WHEN}|{WHERE}|{WHY}|多少)[？?。！!]*$")


_MATTER = re.compile(
    rf"(?:关于|有关)(?P<about>[{HAN}\w]{{1,12}}?)(?=的|是|有|怎|，)|对于?(?P<of>[{HAN}\w]{{1,12}}?)(?=有(?:什么|哪些|何)(?:规定|要求|说明|约定))"
)
"""“合同对通知期有什么规定？”: what is asked next is the matter, not what speaks of it."""


def rewrite(question: str, turns: Sequence[Turn]) -> str | None:
    """The question made to stand alone, or None where it stands alone already."""
    plain = simplified(question)
    if _COURTESY.fullmatch(plain) and not _BARE.match(plain):
        return None
    known = [
        Turn(simplified(turn.question), simplified(turn.answer), simplified(turn.title))
        for turn in turns
        if turn.question and not _COURTESY.fullmatch(simplified(turn.question))
    ]
    if not known:
        return None
    led = _LEAD_IN.match(plain)
    start = led.end() if led and led.end() < len(plain.rstrip("？?。！! ")) else 0
    rest, plain = question[start:], plain[start:]
    last = known[-1]
    if _MORE.match(plain):
        about = topic(last) or antecedent(Kind.THING, known)
        return f"介绍{about}" if about else last.question
    event = _BARE.match(plain) or _THAT_EVENT.match(plain)
    if event:
        return asked_anew(rest[event.start("word") : event.end("word")], last) or None
    ranked = _ranked_anew(plain, last.question)
    if ranked:
        return ranked
    replaced = _pronouns_replaced(rest, known)
    if replaced != rest:
        return replaced
    what = _WHAT_ABOUT.match(plain)
    if what and (start or plain.rstrip("？?。").endswith("呢")) and not ASKING.search(what["what"]):
        return _put_in(rest[what.start("what") : what.end("what")], last)
    called = _CALLED.match(plain)
    if lacks_subject(plain) or _WHOSE_WHEN.match(plain) or (called and called["name"] in last.answer):
        person = antecedent(Kind.PERSON, known) if _OF_SOMEBODY.search(plain) else ""
        about = person or topic(last) or antecedent(Kind.THING, known)
        return f"{about}：{rest}" if about and _WHOSE_WHEN.match(plain) else f"{about}{rest}" if about else None
    return None


def _ranked_anew(question: str, last: str) -> str:
    rank, held = _RANK_ALONE.match(question), _RANK.search(last)
    if not rank or not held or rank["rank"] == held[0]:
        return ""
    return f"{last[: held.start()]}{rank['rank']}{last[held.end() :].rstrip('？?。')}？"


def _pronouns_replaced(question: str, turns: Sequence[Turn]) -> str:
    for kind, pattern in _PRONOUNS:
        pronoun = pattern.search(simplified(question))
        name = antecedent(kind, turns) if pronoun and not _bound(simplified(question)[: pronoun.start()]) else ""
        if name:
            for found in reversed(list(pattern.finditer(simplified(question)))):
                question = f"{question[: found.start()]}{name}{question[found.end() :]}"
    return question


def _bound(before: str) -> bool:
    """Whether the words before a pronoun name something that it can refer to."""
    return re.search(rf"[{HAN}]{{2,}}", _NAMED_BEFORE.sub("", _LEAD_IN.sub("", before))) is not None


def dangling(question: str) -> str:
    """The first pronoun for a person or thing that refers to nothing in the question itself; empty without one."""
    plain = simplified(question)
    found = [pattern.search(plain) for _, pattern in _PRONOUNS[:3]]
    return next((m[0] for m in found if m and m[0][0] in "他她它牠" and not _bound(plain[: m.start()])), "")


def _put_in(what: str, turn: Turn) -> str | None:
    """The last question with `what` in the place of what it replaces."""
    question, plain = turn.question, simplified(what).removesuffix("的").strip("《》")
    year = _YEAR.search(question)
    if year and _YEAR.search(plain):
        return question[: year.start()] + plain.removeprefix("在") + question[year.end() :]
    about = topic(turn)
    part = _PART.match(question)
    if part and plain[-1] == part[1][-1]:  # “冰点呢？” after “水的沸点是多少？”
        return f"{question[: part.start(1)]}{plain}{question[part.end(1) :]}"
    matter = _MATTER.search(question)
    if matter:
        # “那年假呢？” begins like “that year”, which is no matter.
        return f"{question[: matter.start(matter.lastgroup or 0)]}{plain.removeprefix('那')}{question[matter.end() :]}"
    if plain in BELONGING:
        return f"{about}的{plain}是什么？" if about else None
    owned = _OWNED.match(question)
    if turn.title and turn.title in question:
        return question.replace(turn.title, plain, 1)
    if owned and not ASKING.search(owned[1]):
        return question[: owned.start(1)] + plain + question[owned.end(1) :]
    name = subject(question) or (about if about in question else "")
    return question.replace(name, plain, 1) if name else None
