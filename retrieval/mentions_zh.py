"""Who and what a Chinese turn mentions: its topic, the persons of its answer, and what 他, 它 and 那里 stand for.

Chinese does not mark names, so the cited passage's title, transliterated names (with ·), names after a role (作家, 由)
that begin with a surname, and the subject of the last question stand in for them. Texts are in simplified characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from retrieval.chinese import ASKING, SURNAMES, VERB, WHEN, WHERE, WHY
from retrieval.mentions import Kind, Turn
from retrieval.text import HAN

_WHO = re.compile("谁|哪位|哪个人|何人|什么人")
_WHO_IS = re.compile(
    r"(?P<who>[^谁的]{2,12})(?:是谁|是什么人|是何许人)[？?。]*\Z|(?:谁是|介绍一?下?)(?P<whom>[^谁的]{2,12}?)[？?。]*\Z"
)
_OF_A_PERSON = re.compile(
    "出生|去世|逝世|哪里人|哪国人|哪年生|生于|死|活|多少岁|生平|名言|妻子|丈夫|得过|代表作|是谁|写过|学生|老师"
)
_ASKS_NAME = re.compile("哪(?:个|座|条|国|一|种|里|儿)|什么地方|何处|首都|名字|叫什么")
_TRANSLITERATED = re.compile(rf"[{HAN}]{{1,8}}(?:[·•‧・][{HAN}]{{1,6}})+")
_BEFORE_NAME = re.compile(".*[家由被是人者员和与、帝王师生位的]")
_AFTER_NAME = re.compile("[发创提写在于的是和与所设建率出首为第].*")
_AFTER_A_NAME = (
    r"(?=\Z|[，。、（(；]|[和在于发创所写建提完首率领设制绘的第是用把以获为从改登打到]|下令|"
    rf"[{HAN}]{{0,2}}(?:{VERB}))"
)
_ROLE = (
    "学家|诗人|作家|小说家|总统|皇帝|画家|医生|工程师|发明家|教授|探险家|宇航员|航天员|飞行员|运动员|思想家|政治家|军事家|音乐家|地理学家|"
    "程序员|淮南王|国王|女王|太监|宦官|匠人|商人|将军|国人|航海家|教师|僧人"
)
_AFTER_ROLE = re.compile(rf"(?=(?:{_ROLE})(?P<name>[{HAN}]{{2,6}}?){_AFTER_A_NAME})")
_WITH_SURNAME = re.compile(
    rf"(?=(?:\A|[，。、（(；的由被是和]|{_ROLE})(?P<name>[{''.join(SURNAMES)}][{HAN}]{{1,2}}?){_AFTER_A_NAME})"
)
_NO_NAME = re.compile(
    "[代朝国年期纪第最省市县月日的了在是有个这那们]|中国|世界|^(?:时间|安全|方面|方法|马上|高度|全部|平均|于是)$"
)
_ANSWER_SUBJECT = re.compile(rf"\A(?P<what>[{HAN}]{{2,8}}?)(?:是|高|长|全长|位于|有|为)")
_NAMES_ONE = re.compile(r"[最第].*(?:是|叫)(?:哪.{0,2}|什么)[？?]*\Z")
_OWNED = re.compile(rf"^(?:在|关于|请问)?《?([{HAN}\w·]{{1,12}}?)》?(?:的|之)")
_SUBJECT_END = re.compile(
    rf"是|在|有|要|还|也|都|曾|于|为|位|由|被|多|会|能|可|怎|什|哪|何|几|第一|最|属|用|需|吃|住|离|主要|一共|的|(?:{VERB})"
)
_ASKED_WHO = re.compile(
    rf"^(?:请问)?(?:是)?(?:谁|哪位|什么人)(?:是)?(?:第[一二三四五六七八九十]个|最早|首先|首次)?(?P<verb>{VERB})(?:过|了)?(?P<what>[^？?吗呢的]{{1,12}})[？?]*\Z"
)
_DONE_BY = re.compile(
    rf"^(?P<what>[^谁]{{1,12}}?)是(?:由)?(?:{WHEN}|{WHERE}|谁|哪位|怎么|哪国人)(?P<verb>{VERB})的?[？?]*\Z"
)
_WHAT_IS = re.compile(r"^(?:什么是|什么叫|何为|请?介绍一?下?)(?P<what>[^？?]{1,12})[？?]*\Z")


def topic(turn: Turn) -> str:
    """What the turn's question is about; empty where it cannot be told."""
    question, title = turn.question, turn.title
    if title and title in question:
        return title
    asked = _ASKED_WHO.match(question) or _WHAT_IS.match(question)
    if asked:
        return asked["what"].strip("《》“”")
    if question.startswith("哪") or _NAMES_ONE.search(question):
        found = _ANSWER_SUBJECT.match(turn.answer)
        if found:
            return found["what"]
    owned = _OWNED.match(question)
    if owned and not ASKING.search(owned[1]):
        return owned[1]
    name = subject(question)
    if name and title and _abbreviates(name, title):
        return title
    return name


def _abbreviates(short: str, title: str) -> bool:
    """Whether all characters of “珠峰” stand in “珠穆朗玛峰”, in order."""
    rest = iter(title)
    return short not in title and len(short) < len(title) <= 4 * len(short) and all(char in rest for char in short)


def subject(question: str) -> str:
    """The words before the first verb, where they look like a name: at most eight characters."""
    if ASKING.match(question):
        return ""
    end = _SUBJECT_END.search(question, 1)
    name = (question[: end.start()] if end else question).strip(" ，,？?《》“”")
    return name if 1 <= len(name) <= 8 and not ASKING.search(name) else ""


def antecedent(kind: Kind, turns: Sequence[Turn]) -> str:
    """What a pronoun of this kind most likely stands for, looking back from the last turn; empty where nothing fits."""
    return next((name for turn in reversed(turns) for name in _mentions(kind, turn) if name), "")


def _mentions(kind: Kind, turn: Turn) -> Iterator[str]:
    """What a pronoun may stand for, likeliest first."""
    if kind is Kind.PERSON:
        yield from _persons(turn)
        return
    if kind is Kind.PLACE and _ASKS_NAME.search(turn.question):
        found = re.search(rf"(?:是|位于|在)([{HAN}]{{2,6}}?)(?=\Z|[，。、（(]|的|市|省|国)", turn.answer)
        if found and found[1] not in turn.question:
            yield found[1]
    yield topic(turn)


def _persons(turn: Turn) -> Iterator[str]:
    who = _WHO_IS.match(turn.question)
    if who:
        yield (who["who"] or who["whom"]).strip("《》“”")
        return
    asked = _WHO.search(turn.question) is not None or "作者" in turn.question
    if not asked:
        yield from _named(turn.question)
        about = topic(turn)
        if about and (_OF_A_PERSON.search(turn.question) or ("夫人" in about)):
            yield about
    yield from (name for name in _named(turn.answer) if name not in turn.question)
    if asked and turn.title and turn.title not in turn.question and turn.title[0] in SURNAMES and len(turn.title) < 5:
        yield turn.title


def _named(text: str) -> Iterator[str]:
    yield from (_trimmed(name) for name in _TRANSLITERATED.findall(text))
    found = [(m.start("name"), m["name"]) for pattern in (_WITH_SURNAME, _AFTER_ROLE) for m in pattern.finditer(text)]
    yield from (name for _, name in sorted(found) if not _NO_NAME.search(name))


def _trimmed(name: str) -> str:
    """A transliterated name without the words that run into it: “学家亚历山大·弗莱明发现”."""
    first, *middle, last = re.split("[·•‧・]", name)
    return "·".join([_BEFORE_NAME.sub("", first), *middle, _AFTER_NAME.sub("", last) or last])


def asked_anew(word: str, turn: Turn) -> str:
    """The event of the turn's question, asked for by another question word: “青霉素是哪一年发现的？”"""
    question = turn.question.rstrip("？?。 ")
    asked = _ASKED_WHO.match(question)
    if asked and not re.search("第|最早|首", question):
        return f"{asked['what']}是{word}{asked['verb']}的？"
    if asked:
        return f"{re.sub('^(?:是)?(?:谁|哪位|什么人)', '', question)}是{word}？"
    done = _DONE_BY.match(question)
    if done:
        return f"{done['what']}是{word}{done['verb']}的？"
    adverbial = re.search(rf"(?:{WHEN}|{WHERE}|{WHY})(?=(?:{VERB}))", question)
    if adverbial:
        return f"{question[: adverbial.start()]}{word}{question[adverbial.end() :]}？"
    born = re.search(rf"(?<=[生逝世])于(?:{WHEN}|{WHERE})\Z", question)
    if born:
        return f"{question[: born.start()]}于{re.sub('^在', '', word)}？"
    about = topic(turn)
    if re.search(WHERE, word) and about:
        return f"{about}{word if word.startswith('在') else '在' + word}？"
    if question.startswith("哪") and about:
        return f"{about}{word}{re.sub('^哪[一]?[个颗座条种位只]?[^最第]*', '', question)}？"
    if re.fullmatch(rf"{WHY}|怎么", word):
        return f"{question}，{word}？"
    who = re.fullmatch("(.{2,16})(?:是谁|是哪位|是什么人)", question)
    if who:
        return f"{who[1]}是{word}？"
    return f"{about}{word}？" if about else ""
