"""What asks for an overview, how the document is named, and what only sounds like it.

python -m pytest tests/test_overview_request.py
"""

from __future__ import annotations

import time

import pytest

from retrieval.overview_request import Naming, another, is_noun, overview_request
from retrieval.query import standalone

THIS, DOCUMENT, FILE, QUOTED = Naming.THIS, Naming.DOCUMENT, Naming.FILE, Naming.QUOTED
DESCRIBED, PERHAPS, ALL = Naming.DESCRIBED, Naming.PERHAPS, Naming.ALL

REQUESTS_EN = [
    ("What is this about?", THIS, ""),
    ("whats this about", THIS, ""),
    ("Wat is it about", THIS, ""),
    ("What's this all about?", THIS, ""),
    ("what does it say", THIS, ""),
    ("Summarise it", THIS, ""),
    ("summarize this please", THIS, ""),
    ("Sum this up", THIS, ""),
    ("tl;dr", THIS, ""),
    ("TLDR pls", THIS, ""),
    ("Summary?", THIS, ""),
    ("give me an overview", THIS, ""),
    ("Can you give me the gist?", THIS, ""),
    ("key points?", THIS, ""),
    ("What are the main findings?", THIS, ""),
    ("what's the gist of this?", THIS, ""),
    ("in short, what is this about", THIS, ""),
    ("what did I just upload?", THIS, ""),
    ("what kind of document is this?", THIS, ""),
    ("I just uploaded a report. What is it about?", THIS, ""),
    ("Hi! Could you summarise this for me in three sentences? Thanks!", THIS, ""),
    ("What is this document about?", DOCUMENT, "document"),
    ("what is the pdf about", DOCUMENT, "pdf"),
    ("What does the file I uploaded say?", DOCUMENT, "file"),
    ("Can you please summarise this document for me?", DOCUMENT, "document"),
    ("Tell me what this document is about", DOCUMENT, "document"),
    ("tell me about this file", DOCUMENT, "file"),
    ("sum up the article", DOCUMENT, "article"),
    ("Summarise this article in one sentence.", DOCUMENT, "article"),
    ("what are the key takeaways from my report", DOCUMENT, "report"),
    ("I'd like a summary of the report", DOCUMENT, "report"),
    ("Overview of the contract please", DOCUMENT, "contract"),
    ("what's the main idea of this text", DOCUMENT, "text"),
    ("what topics does the document cover?", DOCUMENT, "document"),
    ("what is in this file?", DOCUMENT, "file"),
    ("What are the main parts of the document?", DOCUMENT, "document"),
    ("what is the purpose of this document", DOCUMENT, "document"),
    ("Give me 5 bullet points on the report", DOCUMENT, "report"),
    ("Summarise the last file I uploaded", DOCUMENT, "file"),
    ("walk me through this document", DOCUMENT, "document"),
    ("what's in my documents?", ALL, ""),
    ("summarise all my documents", ALL, ""),
    ("Summarise report.pdf", FILE, "report.pdf"),
    ("what's in Q3 report final.docx?", FILE, "Q3 report final.docx"),
    ("Give me the key points of minutes.txt", FILE, "minutes.txt"),
    ("please read report.docx and summarise it", FILE, "report.docx"),
    ('Summarise "meeting notes"', QUOTED, "meeting notes"),
    ("Give me a short summary of “Annual report 2023”", QUOTED, "Annual report 2023"),
    ("Summarise the article on penicillin", DESCRIBED, "penicillin"),
    ("summarize the Wikipedia page about the Nile", DESCRIBED, "Nile"),
    ("Summarise the penicillin article", DESCRIBED, "penicillin"),
    ("What does my report on the harbour say?", DESCRIBED, "harbour"),
]
"""(message, how it names a document, the name or the word for it)."""

REQUESTS_ZH = [
    ("这是关于什么的", THIS, ""),
    ("讲了什么？", THIS, ""),
    ("它讲的是什么", THIS, ""),
    ("这个说的是什么", THIS, ""),
    ("总结一下", THIS, ""),
    ("概括", THIS, ""),
    ("给我一个摘要", THIS, ""),
    ("主要内容是什么", THIS, ""),
    ("提炼要点", THIS, ""),
    ("全文概要", THIS, ""),
    ("太长不看", THIS, ""),
    ("概括一下这个文件", DOCUMENT, "文件"),
    ("这篇文章讲什么", DOCUMENT, "文章"),
    ("这个文件讲了什么？", DOCUMENT, "文件"),
    ("这个文档说了什么", DOCUMENT, "文档"),
    ("请介绍一下这份文件", DOCUMENT, "文件"),
    ("我上传的文件讲什么", DOCUMENT, "文件"),
    ("我刚上传的文档里有什么内容？", DOCUMENT, "文档"),
    ("这份报告的主要内容是什么", DOCUMENT, "报告"),
    ("这篇文章的中心思想是什么", DOCUMENT, "文章"),
    ("用一句话概括这篇文章", DOCUMENT, "文章"),
    ("列出这篇论文的要点", DOCUMENT, "论文"),
    ("把这份文件总结一下", DOCUMENT, "文件"),
    ("对这篇文章进行概括", DOCUMENT, "文章"),
    ("这本书讲的是什么", DOCUMENT, "书"),
    ("能不能帮我总结一下这个pdf", DOCUMENT, "pdf"),
    ("帮我看看这个文件写了什么", DOCUMENT, "文件"),
    ("这是什么文件", DOCUMENT, "文件"),
    ("这个文件里面有什么", DOCUMENT, "文件"),
    ("这份报告的结构是怎样的", DOCUMENT, "报告"),
    ("請總結這份文件", DOCUMENT, "文件"),
    ("幫我概括一下這篇文章的主要內容", DOCUMENT, "文章"),
    ("這個檔案在說什麼", DOCUMENT, "檔案"),
    ("我上传了一份合同。它讲了什么？", THIS, ""),
    ("我的文档里有什么", ALL, ""),
    ("所有文件总结一下", ALL, ""),
    ("用三句话总结report.txt", FILE, "report.txt"),
    ("年度报告.txt讲了什么", FILE, "年度报告.txt"),
    ("简要概述通知.txt", FILE, "通知.txt"),
    ("总结《标题》", QUOTED, "标题"),
    ("《年度报告》的要点有哪些", QUOTED, "年度报告"),
    ("給出《會議紀要》的摘要", QUOTED, "會議紀要"),
    ("总结一下关于青霉素的文章", DESCRIBED, "青霉素"),
    ("青霉素这篇文章讲什么", DESCRIBED, "青霉素"),
    ("總結青黴素條目", DESCRIBED, "青黴素"),
]

QUESTIONS_EN = """
What is the capital of France?
Who discovered penicillin?
How do I upload a document?
What is a document?
What does the report say about revenue?
Tell me about the Nile
tell me more
Explain photosynthesis
what is this app about?
What are you about?
Who are you and what is this?
Summarise our conversation
summarise your last answer
What is the main cause of climate change?
What are the main languages of Switzerland?
How long is the report?
who wrote this document?
When was the report written?
what does it mean?
What is it made of?
Summarize how vaccines work
What does he say?
Write a poem about the Nile
What is the point of life?
Summarise the following: The quick brown fox jumped over the dog.
Which document mentions penicillin?
What happened in 1914?
what's the weather about
delete my document
what's up
what is the title of this document?
what is love about
How many pages does the document have?
What are the key events of the French Revolution?
translate this document
what language is this document in?
is this document about penicillin?
What is the deadline in the contract?
What's in it for me?
What about Germany?
What's in it?
What does it contain?
What are the main parts of it?
What is the purpose of this?
Is there a summary?
"""
QUESTIONS_ZH = """
青霉素是谁发现的？
光合作用是什么
介绍一下长城
长城有多长？
茶有哪些种类？
这个应用是做什么的
你是做什么的
今天有什么新闻
这份文件是谁写的
怎么上传文件？
怎么概括文档？
这句话是什么意思
他说了什么
什么是概括
北京有什么好吃的
李白写了什么诗
总结我们的对话
为什么要总结
写一首关于春天的诗
这是什么？
什么是文件
报告里提到的收入是多少
你好
谢谢你的总结，再见
会议几点开始
第一次世界大战是哪一年爆发的
故宫在哪里
翻译这篇文章
这个文件有多少页
合同什么时候到期
谁写了《红楼梦》
删除我的文档
长城和故宫哪个更老
怎么切换成英文
把检索关掉
这篇文章是哪一年写的
大熊猫吃什么
那德国呢？
珠穆朗玛峰有多高
他的妻子是谁
它里面有什么？
它的结构是什么？
"""

PERHAPS_THEY_ASK = [
    ("What is photosynthesis about?", ("photosynthesis",), False),
    ("What is the film Alien about?", ("film Alien", "Alien"), False),
    ("What is the main theme of Hamlet?", ("Hamlet",), False),
    ("Summarise the causes of the war", ("causes of the war",), True),
    ("Give me an overview of World War II", ("World War II",), True),
    ("recap of the meeting minutes", ("meeting minutes", "meeting"), True),
    ("红楼梦讲了什么", ("红楼梦",), False),
    ("电影《异形》讲什么", ("电影《异形》", "异形"), False),
    ("总结战争的原因", ("战争的原因",), True),
    ("用一句话概括年度总结", ("年度总结",), True),
]
"""Only where there is a document of that name; and whether a summary is asked for."""


def test_there_are_enough_phrasings_each_way() -> None:
    given = REQUESTS_EN, REQUESTS_ZH, QUESTIONS_EN.strip().splitlines(), QUESTIONS_ZH.strip().splitlines()
    assert min(len(set(map(str, each))) for each in given) >= 40


@pytest.mark.parametrize(("message", "naming", "name"), [*REQUESTS_EN, *REQUESTS_ZH])
def test_what_asks_for_an_overview(message: str, naming: Naming, name: str) -> None:
    asked = overview_request(message)
    assert asked is not None
    assert asked.naming is naming
    assert ([*asked.names, asked.noun] if asked.names else [asked.noun])[0] == name


@pytest.mark.parametrize("message", [*QUESTIONS_EN.strip().splitlines(), *QUESTIONS_ZH.strip().splitlines()])
def test_what_only_sounds_like_it(message: str) -> None:
    assert overview_request(message) is None


@pytest.mark.parametrize(("message", "names", "sums"), PERHAPS_THEY_ASK)
def test_what_depends_on_there_being_such_a_document(message: str, names: tuple[str, ...], sums: bool) -> None:
    asked = overview_request(message)
    assert asked is not None
    assert (asked.naming, asked.names, asked.sums, asked.certain) == (PERHAPS, names, sums, False)


@pytest.mark.parametrize(
    ("message", "certain", "own"),
    [
        ("summarise report.pdf", True, False),
        ("what is this document about?", True, False),
        ("what is my letter about?", True, True),
        ("summarise the letter I uploaded", True, True),
        ("summarise the letter", False, False),
        ("what is this about?", False, False),
        ("summarise “Report”", False, False),
        ("总结我上传的报告", True, True),
        ("总结这份报告", False, False),
    ],
)
def test_whether_nothing_else_can_be_meant_and_whose_it_is(message: str, certain: bool, own: bool) -> None:
    asked = overview_request(message)
    assert asked is not None
    assert (asked.certain, asked.own) == (certain, own)


@pytest.mark.parametrize(
    ("message", "count"),
    [
        ("summarise it in two sentences", 2),
        ("Summarise report.pdf in one sentence", 1),
        ("give me 5 key points of the report", 5),
        ("用三句话总结这篇文章", 3),
        ("概括成五个要点", 5),
        ("give me a detailed summary of the document", 10),
        ("summarise it", 0),
    ],
)
def test_how_many_sentences_are_wanted(message: str, count: int) -> None:
    asked = overview_request(message)
    assert asked is not None
    assert asked.sentences == count


@pytest.mark.parametrize(
    ("message", "which"),
    [
        ("summarise the first document", "oldest"),
        ("what is the other file about?", "other"),
        ("总结另一个文件", "other"),
    ],
)
def test_which_of_several(message: str, which: str) -> None:
    asked = overview_request(message)
    assert asked is not None
    assert (asked.naming, asked.which) == (DOCUMENT, which)


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("and notes.txt?", "notes.txt"),
        ("what about the tenancy agreement?", "tenancy agreement"),
        ("那停水通知呢？", "停水通知"),
    ],
)
def test_another_one_after_an_overview(message: str, name: str) -> None:
    asked = another(message)
    assert asked is not None
    assert asked.names[0] == name


@pytest.mark.parametrize("message", ["How much is the deposit?", "and this?", "", "?", "x" * 5000])
def test_what_asks_for_no_other_one(message: str) -> None:
    assert another(message) is None


@pytest.mark.parametrize(
    "message",
    [
        "",
        " ",
        "?",
        "…",
        "x" * 20_000,
        "summarise " + "very " * 40 + "x",
        "总结" * 150,
        "主要的" * 100,
        "“" * 300,
        "a " * 150,
    ],
)
def test_odd_messages_take_no_time(message: str) -> None:
    overview_request("What is this about? 这是什么文件")  # the patterns are compiled once
    began = time.perf_counter()
    overview_request(message)
    assert time.perf_counter() - began < 0.5


def test_words_for_documents_know_their_strength() -> None:
    assert is_noun("Files", "strong") and is_noun("檔案", "strong") and is_noun("條目", "article")
    assert not is_noun("file", "weak", "generic") and not is_noun("", "strong")


def test_what_it_means_in_context_stays_the_business_of_the_query() -> None:
    assert standalone("What is this about?", ()).text == "What is this about?"
