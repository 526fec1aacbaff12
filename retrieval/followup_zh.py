"""Chinese follow-up questions: pronouns replaced by what they stand for, left-out parts put back.

Chinese does not mark names, so the cited passage's title, transliterated names (with ·), names after 由/是 and the
subject of the last question stand in for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from retrieval.mentions import Kind, Turn
from retrieval.text import HAN

_LEAD_IN = re.compile(r"^(?:那么|那麼|那|还有|還有|然后|然後|另外|所以|而且|请问|請問)[，, ]*")
_WHAT_ABOUT = re.compile(r"^(?P<what>.{1,12}?)(?:又?怎么样|又?怎麼樣|如何)?呢?[？?。!！]*$")
_BARE = re.compile(
    "^(为什么|為什麼|为何|為何|什么时候|什麼時候|何时|何時|在?哪里|在?哪裡|怎么|怎麼|多少|谁|誰|哪一?年|几年|幾年)"
    "(?:呢|的)?[？?。]*$"
)
_MORE = re.compile(
    "^(?:请|請)?(?:再|多)?(?:继续|繼續|详细|詳細|具体|具體|多说|再说|再說|多說|说说|說說|讲讲|講講|介绍|介紹)"
    ".{0,6}[？?。！!]*$"
)
_THIS = "(?:这|這|那|该|該)(?:个|個|种|種|座|本|部|场|場|条|條|项|項|件|位|名)?"
_THINGS = (
    "东西|東西|事|书|書|小说|小說|电影|電影|战争|戰爭|山|河|湖|动物|動物|植物|公司|学校|學校|大学|大學|建筑|建築|"
    "画|畫|诗|詩"
)
_PLACES = "里|裡|裏|儿|兒|边|邊|国家|國家|城市|地方|地|国|國|省|岛|島"
_PEOPLE = "人|科学家|科學家|作家|诗人|詩人|皇帝|总统|總統|作者|画家|畫家"
_PRONOUNS = (
    (Kind.PERSON, re.compile("(?<!其)[他她](?!们|們)")),
    (Kind.GROUP, re.compile("[他她它牠][们們]")),
    (Kind.THING, re.compile(f"[它牠](?!们|們)|(?<![尤极極与與])其(?![他它实實中次余餘])|{_THIS}(?:{_THINGS})")),
    (Kind.PLACE, re.compile(f"当地|當地|{_THIS}(?:{_PLACES})")),
    (Kind.PERSON, re.compile(f"{_THIS}(?:{_PEOPLE})")),
)
_WHO = re.compile("谁|誰|哪位|哪个人|哪個人|何人|什么人|什麼人")
_ASKS_NAME = re.compile(
    "哪(?:个|個|座|条|條|国|國|一|种|種|里|裡|儿)|什么地方|什麼地方|何处|何處|首都|名字|叫什么|叫什麼"
)
_TRANSLITERATED = re.compile(rf"[{HAN}]{{1,6}}(?:[·•‧・][{HAN}]{{1,6}})+")
_BEFORE_NAME = re.compile(".*[家由被是人者和与與、帝王师師生位]")
_AFTER_NAME = re.compile("[发發创創提写寫在于於的是和与與所设設建率出首为為].*")
_ROLE = re.compile(
    rf"(?:学家|學家|诗人|詩人|作家|总统|總統|皇帝|画家|畫家|医生|醫生|工程师|工程師|发明家|發明家|教授|由|被|是)([{HAN}·]{{2,12}}?)"
    r"(?=$|[，。、（(；]|在|于|於|发|發|创|創|所|写|寫|建|提|完|首|率|领|領|设|設|制|製|绘|繪|的)"
)
_OWNED = re.compile(rf"^(?:在|关于|關於)?([{HAN}\w·]{{1,12}}?)(?:的|之)")
_SUBJECT_END = re.compile(
    "是|在|有|于|於|为|為|位|出生|去世|逝世|发|發|创|創|由|被|多|会|會|能|可|怎|什|哪|谁|誰|何|几|幾|第一|最|成立|建|写|寫|包|属|屬|用|需|吃|住"
)
_QUESTION_WORDS = re.compile(
    "是?(?:谁|誰|什么时候|什麼時候|何时|何時|什么|什麼|哪里|哪裡|哪儿|哪个|哪個|哪一?年|哪|为什么|為什麼|怎么|怎麼|多少|几|幾)"
    "|[了呢吗嗎的？?。！!，,\\s]|发现|發現|发明|發明|写|寫|建造?|创立|創立|制造|製造|请问|請問"
)
_YEAR = re.compile(r"\d{3,4}年?")


def rewrite(question: str, turns: Sequence[Turn]) -> str | None:
    """The question made to stand alone, or None where it stands alone already."""
    led = _LEAD_IN.match(question)
    rest = (question[led.end() :] if led else question) or question
    last = turns[-1]
    if _MORE.match(rest):
        topic = _antecedent(Kind.THING, turns)
        return f"介绍{topic}" if topic else last.question
    bare = _BARE.match(rest)
    if bare:
        asked, topic = _stripped(last.question), _topic(last)
        return f"{asked if topic in asked else topic + asked}{bare[1]}？"
    replaced = question
    for kind, pattern in _PRONOUNS:
        pronoun = pattern.search(replaced)
        name = _antecedent(kind, turns) if pronoun else ""
        if pronoun and name and not _bound(_LEAD_IN.sub("", replaced[: pronoun.start()])):
            replaced = pattern.sub(name, replaced)
    if replaced != question:
        return _LEAD_IN.sub("", replaced)
    about = _WHAT_ABOUT.match(rest)
    if about and (led or rest.rstrip("？?。").endswith("呢")) and not _asks(about["what"]):
        return _put_in(about["what"], last)
    return None


def _bound(before: str) -> bool:
    """Whether the words before a pronoun name something that it can refer to."""
    return re.search(rf"[{HAN}]{{2,}}", _QUESTION_WORDS.sub("", before)) is not None


def _asks(text: str) -> bool:
    return re.search("[谁誰什哪何几幾吗嗎]|怎|多少|为什么", text) is not None


def _put_in(what: str, turn: Turn) -> str:
    """The last question with `what` in the place of what it replaces."""
    question = turn.question
    year = _YEAR.search(question)
    if year and _YEAR.search(what):
        return question[: year.start()] + what.removeprefix("在") + question[year.end() :]
    owned = _OWNED.match(question)
    what = what.removesuffix("的").strip("《》")
    if turn.title and turn.title in question:
        return question.replace(turn.title, what, 1)
    if owned and not _asks(owned[1]):
        return question[: owned.start(1)] + what + question[owned.end(1) :]
    subject = _subject(question)
    if subject:
        return question.replace(subject, what, 1)
    return f"{what}，{question}"


def _antecedent(kind: Kind, turns: Sequence[Turn]) -> str:
    for turn in reversed(turns):
        found = next(_mentions(kind, turn), "")
        if found:
            return found
    return ""


def _mentions(kind: Kind, turn: Turn) -> Iterator[str]:
    """What a pronoun may stand for, likeliest first."""
    question, answer = turn.question, turn.answer
    if kind is Kind.PERSON:
        who = _WHO.search(question) is not None
        for text in (answer, question) if who else (question, answer):
            yield from (_trimmed(name) for name in _TRANSLITERATED.findall(text))
        if who:
            yield from (name for name in _ROLE.findall(answer) if name not in question)
            if turn.title and turn.title not in question:
                yield turn.title
            return
    if kind is Kind.PLACE and _ASKS_NAME.search(question):
        found = re.search(rf"(?:是|位于|位於|在)([{HAN}]{{2,6}}?)(?=$|[，。、（(]|的|市|省|国|國)", answer)
        if found and found[1] not in question:
            yield found[1]
    yield from filter(None, (_topic(turn),))


def _trimmed(name: str) -> str:
    """A transliterated name without the words that run into it: “学家亚历山大·弗莱明发现”."""
    first, *middle, last = re.split("[·•‧・]", name)
    return "·".join([_BEFORE_NAME.sub("", first), *middle, _AFTER_NAME.sub("", last) or last])


def _topic(turn: Turn) -> str:
    """What the turn is about: the cited title where the question names it, else the question's subject."""
    if turn.title and turn.title in turn.question:
        return turn.title
    owned = _OWNED.match(turn.question)
    if owned and not _asks(owned[1]):
        return owned[1]
    return _subject(turn.question) or _stripped(turn.question) or turn.title


def _subject(question: str) -> str:
    """The words before the first verb, where they look like a name: at most eight characters."""
    if _asks(question[:2]):
        return ""
    end = _SUBJECT_END.search(question)
    subject = question[: end.start()].strip(" ，,") if end else ""
    return subject if 2 <= len(subject) <= 8 else ""


def _stripped(question: str) -> str:
    """The question without question words and the commonest verbs."""
    rest = _QUESTION_WORDS.sub("", question)
    return rest if len(rest) <= 12 else ""
