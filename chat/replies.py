"""What the reader says in its own words, in English and Chinese: to small talk, and where it has no answer."""

from __future__ import annotations

from collections.abc import Sequence

from chat.smalltalk import Talk
from chat.tasks import Task
from retrieval.expected import Expected, expected
from retrieval.query import is_person

_LANGUAGES = ("en", "zh")
_TALK = {
    "en": {
        Talk.GREETING: "Hello! I am Groundchat: I answer questions by quoting sources that you can open. Ask me "
        "something, or upload a document and ask about it.",
        Talk.WELLBEING: "I am ready, thank you. Ask me something: I answer by quoting sources that you can open.",
        Talk.THANKS: "You're welcome! Ask on whenever you like.",
        Talk.PRAISE: "Good to hear. Ask on whenever you like.",
        Talk.GOODBYE: "Goodbye! Your documents are here when you come back.",
        Talk.IDENTITY: "I am Groundchat, a chat app that answers questions by quoting sources that you can open.",
        Talk.ABILITY: "I answer questions by quoting the sources that are switched on, and I can read documents that "
        "you upload. Once you load a chat model, I also converse.",
        Talk.MODEL: "No language model is answering at the moment, and there are no hidden instructions: the built-in "
        "reader quotes the sentences that look most likely to answer. You can load a chat model.",
        Talk.SOMEONE_ELSE: "No, I am Groundchat, a program: I quote sentences from sources that you can open, and "
        "write nothing of my own.",
        Talk.LANGUAGES: "I answer in English and Chinese: ask in either, and I quote sources in that language. "
        "Documents that you upload may be in other languages too; I find them by their words.",
        Talk.DOCUMENTS: "The documents you have uploaded are listed in the sidebar, where you can open or delete each. "
        "Ask “What is in my documents?” for a line of each, or “Summarise” and a name for one of them.",
        Talk.SUGGEST: "Ask about a planet, a person or a place, for example “Who discovered penicillin?” or “Which "
        "planet is the hottest?”; or upload a document and ask about it.",
        Talk.LAUGHTER: "Glad that amused you. Ask on whenever you like.",
        Talk.APOLOGY: "No harm done. Ask on whenever you like.",
        Talk.COMPLAINT: "Sorry: I may have quoted the wrong sentence. Open the source to check what stands around it, "
        "or ask again in other words and name what you mean.",
        Talk.INSULT: "Sorry that I was no help. Asking in other words often works: name the person, thing or place, "
        "or upload a document that has the answer.",
        Talk.PUZZLED: "I answer with sentences quoted from sources, which can be abrupt. Open the source under an "
        "answer to read what stands around them, or ask again in other words.",
        Talk.ASSENT: "All right. Ask on whenever you like.",
        Talk.SADNESS: "I am sorry to hear that. I only quote sources and am no good at comforting, so do talk to "
        "somebody close to you.",
    },
    "zh": {
        Talk.GREETING: "你好！我是 Groundchat，我摘引可以打开核对的资料来回答问题。"
        "请提一个问题，或者上传文档再就它提问。",
        Talk.WELLBEING: "我很好，谢谢。请提问吧，我会摘引可以打开核对的资料来回答。",
        Talk.THANKS: "不客气！随时可以继续提问。",
        Talk.PRAISE: "那就好。随时可以继续提问。",
        Talk.GOODBYE: "再见！你的文档会留在这里。",
        Talk.IDENTITY: "我是 Groundchat，一个摘引可以打开核对的资料来回答问题的聊天应用。",
        Talk.ABILITY: "我摘引已打开的资料来源回答问题，也能检索你上传的文档。加载聊天模型以后，我还能自由对话。",
        Talk.MODEL: "现在回答的不是语言模型，也没有隐藏的指令：内置阅读器摘引最可能回答问题的原句。可以加载聊天模型。",
        Talk.SOMEONE_ELSE: "不是，我是 Groundchat，一个程序：我只摘引可以打开核对的资料原句，自己不写内容。",
        Talk.LANGUAGES: "我会用中文和英文回答：用哪种语言提问，就摘引哪种语言的资料。上传的文档也可以是其他语言。",
        Talk.DOCUMENTS: "你上传的文档列在侧栏里，可以在那里打开或删除。"
        "问“我的文档里有什么？”可以看到每个文档的一句话，说“总结”加名字可以看其中一个。",
        Talk.SUGGEST: "可以问人物、地点或行星，例如“谁发现了青霉素？”或“长城有多长？”；也可以上传文档再就它提问。",
        Talk.LAUGHTER: "能让你开心就好。随时可以继续提问。",
        Talk.APOLOGY: "没关系。随时可以继续提问。",
        Talk.COMPLAINT: "抱歉，我可能摘错了句子。请打开来源核对上下文，或者换一种问法，把要问的对象说清楚。",
        Talk.INSULT: "抱歉没有帮上忙。换一种问法往往有用：说出具体的人、事物或地点，或者上传有答案的文档。",
        Talk.PUZZLED: "我用资料中的原句回答，可能显得突兀。可以打开回答下面的来源看上下文，或者换一种问法再问。",
        Talk.ASSENT: "好的。随时可以继续提问。",
        Talk.SADNESS: "听到这个我很遗憾。我只会摘引资料，不太会安慰人，请和身边亲近的人聊聊。",
    },
}
_CANNOT = {
    "en": {
        Task.WRITE: "The built-in reader only quotes what stands in the sources, so it cannot do this. Load a chat "
        "model for it.",
        Task.CALCULATE: "I cannot calculate: the built-in reader only quotes what stands in the sources. A calculator "
        "or a chat model can.",
        Task.CLOCK: "I have no clock and no calendar: I only quote what stands in the sources. Your device shows the "
        "time and the date.",
        Task.WEATHER: "I cannot look up the weather: my sources are articles and documents, not live data. A weather "
        "service can tell you.",
        Task.NEWS: "The sources that were searched have no news, prices or scores on this. What is going on now "
        "stands only in “News” and “Sports scores”, where they are offered, switched on and could be reached.",
        Task.ACT: "I can only answer questions with quotes from sources; I cannot do things for you, such as set "
        "alarms, send messages or draw.",
    },
    "zh": {
        Task.WRITE: "内置阅读器只能引用资料中的原句，做不了这件事。请加载聊天模型来做。",
        Task.CALCULATE: "我不会计算：内置阅读器只能引用资料中的原句。请用计算器，或者加载聊天模型。",
        Task.CLOCK: "我没有时钟和日历，只能引用资料中的原句。你的设备上会显示时间和日期。",
        Task.WEATHER: "我查不到天气：我的资料是文章和文档，不是实时数据。请看天气预报服务。",
        Task.NEWS: "已检索的资料来源中没有这方面的新闻、价格或比分。"
        "近况只见于“新闻”和“体育比分”：须有这两个来源、已经打开，并且能够连上。",
        Task.ACT: "我只能摘引资料回答问题，不能替你做事，例如设闹钟、发消息或画图。",
    },
}
_ASK_BACK = {
    "en": {
        "person": "Whom do you mean by “{word}”? Name the person in your question, and I will look.",
        "thing": "I do not know what “{word}” stands for here: name it in your question, and I will look.",
        "bare": "“{word}” about what? Ask the whole question, and I will look.",
    },
    "zh": {
        "person": "“{word}”指的是谁？请在问题里说出名字，我再查找。",
        "thing": "我不知道“{word}”指的是什么：请在问题里说出来，我再查找。",
        "bare": "“{word}”是问什么？请把问题问完整，我再查找。",
    },
}
_NOTHING = {
    "en": {
        Expected.PERSON: "I found no sentence in {searched} that says who.",
        Expected.REASON: "I found no sentence in {searched} that says why.",
        Expected.NUMBER: "I found no sentence in {searched} that gives the figure.",
        Expected.TIME: "I found no sentence in {searched} that says when.",
        Expected.PLACE: "I found no sentence in {searched} that says where.",
        Expected.MANNER: "I found no sentence in {searched} that says how.",
        Expected.THING: "I found no sentence that answers this in {searched}.",
    },
    "zh": {
        Expected.PERSON: "我在{searched}中没有找到说明是谁的句子。",
        Expected.REASON: "我在{searched}中没有找到说明原因的句子。",
        Expected.NUMBER: "我在{searched}中没有找到给出这个数字的句子。",
        Expected.TIME: "我在{searched}中没有找到说明时间的句子。",
        Expected.PLACE: "我在{searched}中没有找到说明地点的句子。",
        Expected.MANNER: "我在{searched}中没有找到说明做法的句子。",
        Expected.THING: "我在{searched}中没有找到能回答这个问题的句子。",
    },
}
_ADVICE = {
    "en": {
        "off": "Retrieval is off, so I have nothing to quote.",
        "turn on": "Turn retrieval on, or load a chat model.",
        "turn on one": "Turn retrieval on and choose {unsearched}, or load a chat model.",
        "switch on": "You could switch on {unsearched}, or load a chat model.",
        "other words": "You could ask in other words, upload a document that answers it, or load a chat model.",
        "one word": "A whole question finds more than a word: say what you want to know about “{query}”.",
        "other language": "Most of the sources are in English and Chinese, so asking in English may find more.",
    },
    "zh": {
        "off": "检索已关闭，所以我没有可以引用的资料。",
        "turn on": "请打开检索，或者加载聊天模型。",
        "turn on one": "请打开检索并选择{unsearched}，或者加载聊天模型。",
        "switch on": "可以打开{unsearched}，或者加载聊天模型。",
        "other words": "可以换一种问法，上传能回答它的文档，或者加载聊天模型。",
        "one word": "完整的问题比一个词更容易找到答案：请说说想知道“{query}”的什么。",
        "other language": "英文资料比中文多，用英文再问一次也许能找到。",
    },
}
_LONGEST_WORD = 24


def small_talk(kind: Talk, language: str) -> str:
    """The reply to small talk."""
    return _TALK[_spoken(language)][kind]


def cannot(task: Task, language: str) -> str:
    """That something is asked for which quoting cannot do."""
    return _CANNOT[_spoken(language)][task]


def ask_back(word: str, language: str) -> str:
    """Who or what is meant by a pronoun that nothing explains (“he”), or by a lone question word (“why”)."""
    texts = _ASK_BACK[_spoken(language)]
    bare = expected(word) is not Expected.THING or " " in word
    return texts["bare" if bare else "person" if is_person(word) else "thing"].format(word=word)


def unanswered(
    language: str, searched: Sequence[str], unsearched: Sequence[str], query: str = "", pronoun: str = ""
) -> str:
    """That nothing answers: what was searched, and what helps in this case.

    `pronoun` is one of the query that nothing explains.
    """
    code = _spoken(language)
    advice = _ADVICE[code]
    said = [_NOTHING[code][expected(query)] if searched else advice["off"]]
    if pronoun and searched:
        said.append(ask_back(pronoun, language))
    elif unsearched:
        said.append(advice["switch on"] if searched else advice["turn on one"])
    else:
        said.append(advice["other words"] if searched else advice["turn on"])
    if searched and not pronoun:
        if _is_one_word(query):
            said.append(advice["one word"])
        elif language != "en":
            said.append(advice["other language"])
    return (
        ("" if code == "zh" else " ")
        .join(said)
        .format(searched=_listed(searched, code), unsearched=_listed(unsearched, code), query=query.strip(" ?？.。!！"))
    )


def _is_one_word(query: str) -> bool:
    word = query.strip(" ?？.。!！")
    most = 4 if not word.isascii() else _LONGEST_WORD
    return 1 < len(word) <= most and word.isalpha() and expected(word) is Expected.THING


def _spoken(language: str) -> str:
    return language if language in _LANGUAGES else _LANGUAGES[0]


def _listed(labels: Sequence[str], code: str) -> str:
    """“A, B or C”; “A、B或C”."""
    if len(labels) < 2:
        return "".join(labels)
    comma, word = ("、", "或") if code == "zh" else (", ", " or ")
    return f"{comma.join(labels[:-1])}{word}{labels[-1]}"
