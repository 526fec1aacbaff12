"""Every word of the page, in English and Chinese. A test asserts that both know the same keys."""

from __future__ import annotations

from chat.bilingual import told
from chat.conversation import Outcome
from chat.events import Stage
from moderation.base import Category

LANGUAGES = ("en", "zh")

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "welcome": "What would you like to know?",
        "welcome_more": "Groundchat answers by quoting sources that you can open and check: a starter library, your "
        "own documents, Wikipedia.\n\n也可以用中文提问",
        "placeholder": "Ask a question",
        "message_label": "Your message",
        "send": "Send",
        "cancel": "Cancel",
        "close": "Close",
        "reset": "New chat",
        "retrieval": "Retrieval",
        "retrieval_info": "Look things up before answering",
        "sources": "Sources",
        "source_settings": "Source settings",
        "source_not_asked": "Not asked yet.",
        "source_kept": "Kept in this browser.",
        "moderation": "Moderation",
        "moderation_info": "Screen questions and answers",
        "moderation_always": "Questions and answers are screened; the operator keeps this on.",
        "moderation_off": "Moderation is off: nothing is screened.",
        "documents": "My documents",
        "upload": "Upload",
        "documents_none": "PDF, Word, PowerPoint, Excel, OpenDocument, EPUB, HTML, text, CSV, code. "
        "Only you can search what you upload.",
        "documents_passages": "{count} passages",
        "documents_one_passage": "1 passage",
        "delete": "Delete {title}",
        "delete_sure": "Delete?",
        "open": "Open {title}",
        "reading": "Reading {name} ({number} of {count})…",
        "upload_waiting": "“{title}” is waiting for its turn.",
        "upload_reading": "Reading “{title}”: {percent} %, {passages} passages so far",
        "upload_stopped": "“{title}” is stopped at {percent} %.",
        "upload_ready": "“{title}” is ready: ask about it.",
        "uploads_ready": "{count} documents are ready: ask about them.",
        "upload_stop": "Stop",
        "upload_go_on": "Go on",
        "upload_drop": "Discard",
        "upload_dismiss": "Dismiss",
        "backfill": "Search by meaning is being prepared: {percent} %",
        "backfill_stuck": "Found by words; by meaning not yet: {problem}",
        "place_page": "page {label}",
        "place_slide": "slide {label}",
        "place_sheet": "sheet {label}",
        "place_line": "line {label}",
        "earlier": "Earlier in the document",
        "later": "Later in the document",
        "deleted": "“{title}” is deleted.",
        "model": "Model",
        "model_now": "Answering now: **{name}**",
        "model_load": "Load a chat model",
        "model_listed": "Models",
        "model_listed_info": "With the memory that each needs",
        "model_name": "Or another one",
        "model_name_info": "Hub id, local folder, or the address of a server, like http://localhost:8000/v1",
        "server_model": "Model on that server",
        "server_model_info": "Not needed where it has only one",
        "server_key": "API key",
        "server_key_info": "Not needed by most servers of one's own; it is sent to this server only, and not kept",
        "model_none": "No model is chosen; pick one from the list.",
        "model_listed_only": "On this page only models of the list can be loaded; pick one of them.",
        "model_checking": "Looking at {name}…",
        "model_size": "{name}: about {download} GB are downloaded on first use.",
        "model_size_unknown": "{name} is downloaded on first use.",
        "model_load_button": "Load",
        "model_agree_button": "Load it now",
        "model_reader_button": "Back to the reader",
        "model_loading": "Loading {name}…",
        "model_loaded": "{name} is ready.",
        "model_operator": "The operator of this page chooses the model.",
        "reader": "the built-in reader",
        "viewer": "Document",
        "viewer_gone": "This document is no longer here; it was deleted, or belongs to somebody else.",
        "from_sources": "From {count} sources",
        "from_one_source": "From 1 source",
        "from_memory": "From the model's memory; no source was used",
        "aside": "Outside the conversation",
        "searched_for": "Searched for: {query}",
        "also_read": "Also read",
        "unsupported": "not supported by this source",
        "unsupported_more": "The passage does not seem to say this; read it before you rely on it.",
        "unsupported_says": "Not found in this passage: “{sentence}”",
        "open_original": "Open the original",
        "open_document": "Show in the document",
        "copy": "Copy",
        "copied": "Copied",
        "edit": "Edit",
        "retry": "Retry",
        "undo": "Undo",
        "unmoderated": "Not screened",
        "refused_question": "This question was not answered",
        "refused_answer": "The answer was withdrawn",
        "failed": "This could not be answered",
        "stopped": "Stopped",
        "length": "The answer reached its longest allowed length.",
        "repetition": "The answer had begun to repeat itself and was ended there.",
        "timed_out": "The answer took longer than it may and was ended there.",
        "continue": "Continue",
        "not_newest": "Only the newest answer can be continued.",
        "place": "Others are being answered first; place in the queue: {detail}",
        "hint_retry": "Edit your message or ask something else.",
        "loading": "{detail}…",
        "loading_note": "The first answer waits for this; later ones do not.",
        "waiting": "Waiting for the answer above…",
        "checking": "Checking…",
        "searching": "Searching…",
        "writing": "Writing…",
        "moved": "This conversation is no longer on the server; a new one has begun.",
        "moved_away": "This conversation is no longer on the server; what you ask next begins a new one.",
        "changed": "This conversation was changed in another tab; this is how it stands now.",
        "bug": "Something went wrong inside Groundchat; the log says what. Try again.",
        "example_1": "Who discovered penicillin?",
        "example_2": "How does photosynthesis work?",
        "example_3": "When did people first land on the Moon?",
        "example_4": "How do I ask about my own documents?",
    },
    "zh": {
        "welcome": "有什么想知道的？",
        "welcome_more": "Groundchat 摘引可以打开核对的资料来回答：入门资料库、您自己的文档、维基百科。",
        "placeholder": "输入问题",
        "message_label": "您的消息",
        "send": "发送",
        "cancel": "取消",
        "close": "关闭",
        "reset": "新对话",
        "retrieval": "检索",
        "retrieval_info": "回答前先查找资料",
        "sources": "资料来源",
        "source_settings": "来源设置",
        "source_not_asked": "尚未查询。",
        "source_kept": "已保存在此浏览器中。",
        "moderation": "内容审核",
        "moderation_info": "审核问题与回答",
        "moderation_always": "问题与回答均经审核，由管理员设定为始终开启。",
        "moderation_off": "内容审核已关闭：问题与回答均不审核。",
        "documents": "我的文档",
        "upload": "上传",
        "documents_none": "支持 PDF、Word、PowerPoint、Excel、OpenDocument、EPUB、HTML、文本、CSV 和代码文件。"
        "您上传的内容只有您能检索。",
        "documents_passages": "{count} 个段落",
        "documents_one_passage": "1 个段落",
        "delete": "删除 {title}",
        "delete_sure": "删除？",
        "open": "打开 {title}",
        "reading": "正在读取 {name}（{number}/{count}）…",
        "upload_waiting": "“{title}”正在排队。",
        "upload_reading": "正在读取“{title}”：{percent}%，已有 {passages} 个段落",
        "upload_stopped": "“{title}”已停在 {percent}%。",
        "upload_ready": "“{title}”已就绪，可以提问了。",
        "uploads_ready": "{count} 个文档已就绪，可以提问了。",
        "upload_stop": "停止",
        "upload_go_on": "继续",
        "upload_drop": "放弃",
        "upload_dismiss": "知道了",
        "backfill": "正在准备按语义检索：{percent}%",
        "backfill_stuck": "已可按词检索；暂不能按语义检索：{problem}",
        "place_page": "第 {label} 页",
        "place_slide": "第 {label} 张幻灯片",
        "place_sheet": "工作表 {label}",
        "place_line": "第 {label} 行",
        "earlier": "前文",
        "later": "后文",
        "deleted": "“{title}”已删除。",
        "model": "模型",
        "model_now": "当前回答者：**{name}**",
        "model_load": "加载聊天模型",
        "model_listed": "模型",
        "model_listed_info": "以及各自所需的内存",
        "model_name": "或其他模型",
        "model_name_info": "Hugging Face 模型名称、本地文件夹，或服务器地址，如 http://localhost:8000/v1",
        "server_model": "该服务器上的模型",
        "server_model_info": "服务器只有一个模型时不必填写",
        "server_key": "API 密钥",
        "server_key_info": "自建服务器大多不需要；只发送给该服务器，不会保存",
        "model_none": "尚未选择模型，请从列表中选一个。",
        "model_listed_only": "本页面只能加载列表中的模型，请从中选一个。",
        "model_checking": "正在查看 {name}…",
        "model_size": "{name}：首次使用时下载约 {download} GB。",
        "model_size_unknown": "{name} 在首次使用时下载。",
        "model_load_button": "加载",
        "model_agree_button": "立即加载",
        "model_reader_button": "换回阅读器",
        "model_loading": "正在加载 {name}…",
        "model_loaded": "{name} 已就绪。",
        "model_operator": "模型由本页面的管理员选择。",
        "reader": "内置阅读器",
        "viewer": "文档",
        "viewer_gone": "该文档已不在此处：它已被删除，或属于其他人。",
        "from_sources": "依据 {count} 个来源",
        "from_one_source": "依据 1 个来源",
        "from_memory": "来自模型记忆，未使用任何来源",
        "aside": "不计入对话",
        "searched_for": "检索内容：{query}",
        "also_read": "另外参阅",
        "unsupported": "此来源不支持这一说法",
        "unsupported_more": "该段落似乎没有这样说；采信之前请先阅读。",
        "unsupported_says": "此段落中没有找到：“{sentence}”",
        "open_original": "打开原文",
        "open_document": "在文档中查看",
        "copy": "复制",
        "copied": "已复制",
        "edit": "编辑",
        "retry": "重试",
        "undo": "撤销",
        "unmoderated": "未经审核",
        "refused_question": "此问题未予回答",
        "refused_answer": "回答已撤回",
        "failed": "无法回答",
        "stopped": "已停止",
        "length": "回答已达到允许的最大长度。",
        "repetition": "回答开始重复，已在此结束。",
        "timed_out": "回答超过了允许的时间，已在此结束。",
        "continue": "继续",
        "not_newest": "只能继续最新的回答。",
        "place": "正在先回答其他人；排队位置：{detail}",
        "hint_retry": "请修改您的消息，或换一个问题。",
        "loading": "{detail}…",
        "loading_note": "第一次回答需等待加载，之后不再需要。",
        "waiting": "等待上一条回答完成…",
        "checking": "正在审核…",
        "searching": "正在检索…",
        "writing": "正在撰写…",
        "moved": "该对话已不在服务器上，已开始新对话。",
        "moved_away": "该对话已不在服务器上，接下来的提问将开始新对话。",
        "changed": "该对话已在另一个标签页中更改，现在显示的是最新内容。",
        "bug": "Groundchat 内部出错了，原因见日志。请再试一次。",
        "example_1": "青霉素是谁发现的？",
        "example_2": "光合作用是怎样进行的？",
        "example_3": "长城有多长？",
        "example_4": "怎样就我自己的文档提问？",
    },
}

_CATEGORIES = {
    Category.HATE: ("hate", "仇恨言论"),
    Category.HARASSMENT: ("harassment", "骚扰"),
    Category.SEXUAL: ("sexual content", "色情内容"),
    Category.SEXUAL_MINORS: ("sexual content about minors", "涉及未成年人的色情内容"),
    Category.VIOLENCE: ("violence", "暴力"),
    Category.SELF_HARM: ("self-harm", "自我伤害"),
    Category.ILLICIT: ("illegal or harmful acts", "违法或有害行为"),
    Category.WEAPONS: ("weapons", "武器"),
    Category.PERSONAL_INFORMATION: ("personal information", "个人信息"),
    Category.PROMPT_ATTACK: ("attack on the assistant's rules", "绕过助手规则"),
}
"""What the page calls each category of moderation, in English and Chinese."""

_LOADING_ZH = {
    "Starting": "正在启动",
    "Opening the index": "正在打开索引",
    "Loading the sentence encoder": "正在加载句子编码器",
    "Loading the moderator": "正在加载审核模型",
    "Loading the reader": "正在加载阅读器",
    "Indexing the starter library": "正在索引入门资料库",
    "Going on with uploads": "正在继续处理上传的文件",
    "Following the shared documents": "正在跟进共享文档",
    "Following the Wikipedia dump": "正在跟进维基百科转储",
    "Choosing a chat model": "正在选择聊天模型",
    "Ready": "就绪",
}
"""What the start says that it is doing, in Chinese; a share done may follow a colon."""

STAGES = {
    Stage.LOADING: "loading",
    Stage.CHECKING: "checking",
    Stage.SEARCHING: "searching",
    Stage.WAITING: "place",
    Stage.WRITING: "writing",
}

ENDINGS = {
    Outcome.LENGTH: "length",
    Outcome.REPETITION: "repetition",
    Outcome.TIMED_OUT: "timed_out",
    Outcome.STOPPED: "stopped",
}
"""Key of the text that says why an answer ended early."""

OUTCOMES = {
    Outcome.QUESTION_REFUSED: "refused_question",
    Outcome.ANSWER_REFUSED: "refused_answer",
    Outcome.FAILED: "failed",
}

EXAMPLES = ("example_1", "example_2", "example_3", "example_4")


def say(language: str, key: str, **values: object) -> str:
    """The text of `key` with its values filled in; English for a language the page does not speak."""
    return TEXTS.get(language, TEXTS["en"])[key].format(**values)


def category_name(language: str, category: str) -> str:
    """The page's words for a category of moderation; the category itself where it is of an operator's own making."""
    english, chinese = _CATEGORIES.get(category, (category, category))  # type: ignore[call-overload]  # a StrEnum is a str
    return str(chinese if language == "zh" else english)


def place_name(language: str, place: str, ends: str = "") -> str:
    """The page's words for a place in a file, such as `page 12`; the place itself where its kind is unknown.

    `ends` is where a stretch ends that goes on from there.
    """
    kind, _, label = place.partition(" ")
    last = ends.removeprefix(f"{kind} ")
    label = f"{label}–{last}" if ends and last != ends else label
    key = f"place_{kind}"
    return say(language, key, label=label) if label and key in TEXTS["en"] else place


def loading(language: str, says: str) -> str:
    """What is being loaded, as the start says it, in the page's language."""
    step, colon, share = says.partition(": ")
    if language != "zh" or step not in _LOADING_ZH:
        return told(says, language)
    return f"{_LOADING_ZH[step]}{'：' if colon else ''}{share}"


def page_language(accept_language: str) -> str:
    """The page's language for an Accept-Language header (RFC 9110, 12.5.4; the order is taken as preference)."""
    for part in accept_language.lower().split(","):
        code = part.strip()[:2]
        if code in LANGUAGES:
            return code
    return "en"
