"""What the reader says in its own words: small talk, and that it found no answer. English and Chinese."""

from __future__ import annotations

from collections.abc import Sequence

from chat.smalltalk import Talk

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
    },
}
_UNANSWERED = {
    "en": {
        "searched": "I found no sentence that answers this in {searched}.",
        "off": "Retrieval is off, so I have nothing to quote.",
        "switch on": "You could switch on {unsearched}, or load a chat model.",
        "other words": "You could ask in other words, upload a document that answers it, or load a chat model.",
        "turn on": "Turn retrieval on, or load a chat model.",
        "task": "The built-in reader only quotes what stands in the sources, so it cannot do this. Load a chat model "
        "for it.",
    },
    "zh": {
        "searched": "我在{searched}中没有找到能回答这个问题的句子。",
        "off": "检索已关闭，所以我没有可以引用的资料。",
        "switch on": "可以打开{unsearched}，或者加载聊天模型。",
        "other words": "可以换一种问法，上传能回答它的文档，或者加载聊天模型。",
        "turn on": "请打开检索，或者加载聊天模型。",
        "task": "内置阅读器只能引用资料中的原句，做不了这件事。请加载聊天模型来做。",
    },
}


def small_talk(kind: Talk, language: str) -> str:
    """The reply to small talk."""
    return _TALK[_spoken(language)][kind]


def cannot(language: str) -> str:
    """That something is asked for which quoting cannot do."""
    return _UNANSWERED[_spoken(language)]["task"]


def unanswered(language: str, searched: Sequence[str], unsearched: Sequence[str]) -> str:
    """That nothing answers: what was searched, and what could be switched on."""
    code = _spoken(language)
    texts = _UNANSWERED[code]
    found_none = texts["searched"] if searched else texts["off"]
    advice = texts["switch on"] if unsearched else texts["other words"] if searched else texts["turn on"]
    between = "" if code == "zh" else " "
    return f"{found_none}{between}{advice}".format(
        searched=_listed(searched, code, "or"), unsearched=_listed(unsearched, code, "or")
    )


def _spoken(language: str) -> str:
    return language if language in _LANGUAGES else _LANGUAGES[0]


def _listed(labels: Sequence[str], code: str, last: str) -> str:
    """“A, B or C”; “A、B或C”."""
    if len(labels) < 2:
        return "".join(labels)
    comma, word = ("、", "或") if code == "zh" else (", ", f" {last} ")
    return f"{comma.join(labels[:-1])}{word}{labels[-1]}"
