"""The built-in reader: what it quotes, what it refuses, what it says about itself.

python -m pytest tests/test_reader.py
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from chat.base import ChatRequest, Chunk, Finish, Message, Role
from chat.citations import cited
from chat.excerpt import excerpt, words
from chat.reader import MOST_WORDS, Reader
from encoder import SentenceEncoder, Vectors
from errors import ModelError
from retrieval.answering import FEATURES
from retrieval.base import Passage
from retrieval.expected import Expected, expected
from retrieval.judge import ADAPTERS, SentenceJudge
from retrieval.selector import probabilities, read_networks
from retrieval.unit_vectors import UnitVectors
from retrieval.vectors import Stored, encoded_texts, units, vector_key

FLEMING = (
    "Penicillin is a group of antibiotics from moulds. Penicillin was discovered in 1928 by the Scottish scientist "
    "Alexander Fleming at St Mary's Hospital in London. It came into wide use during the Second World War. "
    "About ten percent of people report an allergy to penicillin."
)
TITANIC = (
    "The Titanic was a British passenger ship. The Titanic sank on 15 April 1912 because it struck an iceberg in the "
    "North Atlantic Ocean. More than 1,500 people died in the disaster. The wreck was found in 1985."
)
NILE = (
    "The Nile is a river in Africa that flows north into the sea. The Nile is about 6,650 kilometres long. "
    "Its two main branches are the White Nile and the Blue Nile."
)
GUIDE_EN = (
    "To upload a document, use “Upload” in the sidebar and choose a .txt or .md file. "
    "An uploaded file may be at most 20 MB large. The sidebar lists your documents, and you can delete each there."
)
GREATWALL_ZH = (
    "长城是中国古代的防御工程。长城总长度超过两万公里。明朝的长城大约长八千八百五十公里。许多游客每年参观八达岭长城。"
)
LIBAI_ZH = "李白是唐朝的诗人。李白出生于公元701年。他的代表作有《静夜思》。"


def passage(text: str, title: str, source: str = "library", language: str = "en", section: str = "") -> Passage:
    return Passage(
        f"{title}#0", text, title, source, title, section=section, language=language, end=len(text), score=0.5
    )


LIBRARY = (passage(NILE, "Nile"), passage(FLEMING, "Penicillin"), passage(TITANIC, "Titanic"))
GUIDE = passage(GUIDE_EN, "Guide to Groundchat", "guide", section="Your documents")
HELLO = passage(
    "Hello, I am Groundchat, and I answer questions with quotes. Try to ask about a planet.",
    "Guide to Groundchat",
    "guide",
    section="Hello",
)
CHINESE = (passage(LIBAI_ZH, "李白", language="zh"), passage(GREATWALL_ZH, "长城", language="zh"))


@pytest.fixture(scope="module")
def reader(encoder: SentenceEncoder) -> Reader:
    reader = Reader(SentenceJudge(UnitVectors(encoder)))
    reader.load()
    return reader


def request(question: str, passages: Sequence[Passage] = LIBRARY, language: str = "en", **how: object) -> ChatRequest:
    given = {"searched": ("the starter library",), "unsearched": ("My documents", "Wikipedia"), **how}
    return ChatRequest((Message(Role.USER, question),), tuple(passages), question, language, **given)  # type: ignore[arg-type]


def answer(reader: Reader, asked: ChatRequest) -> tuple[str, Finish]:
    chunks = list(reader.stream(asked))
    finish = chunks[-1].finish
    assert finish is not None
    assert all(chunk.finish is None for chunk in chunks[:-1])
    return "".join(chunk.text for chunk in chunks), finish


@pytest.mark.parametrize(
    ("question", "sentence", "number"),
    [
        ("Who discovered penicillin?", FLEMING.split(". ")[1] + ".", 2),
        ("who discovered penicillin", FLEMING.split(". ")[1] + ".", 2),
        ("How long is the Nile?", "The Nile is about 6,650 kilometres long.", 1),
        ("Why did the Titanic sink?", TITANIC.split(". ")[1] + ".", 3),
        ("How many people died on the Titanic?", "More than 1,500 people died in the disaster.", 3),
        ("When was the wreck of the Titanic found?", "The wreck was found in 1985.", 3),
        ("Hello! How long is the Nile?", "The Nile is about 6,650 kilometres long.", 1),
    ],
)
def test_it_quotes_the_sentence_that_answers(reader: Reader, question: str, sentence: str, number: int) -> None:
    text, finish = answer(reader, request(question))
    assert f"{sentence} [{number}]" in text
    assert finish is Finish.STOP


def test_everything_it_says_stands_in_the_cited_passage(reader: Reader) -> None:
    text, _ = answer(reader, request("What is penicillin and who discovered it?"))
    quotes = [part.strip() for part in text.replace("]", "[").split("[")]
    for quote, number in zip(quotes[0::2], quotes[1::2], strict=False):
        assert quote in LIBRARY[int(number) - 1].text
    assert cited(text, 3)


@pytest.mark.parametrize(
    "question",
    [
        "Who won the presidential election in 2020?",
        "What is the boiling point of mercury?",
        "Recommend a good restaurant in Lyon",
        "asdf qwerty",
        "???",
    ],
)
def test_it_says_what_it_searched_where_nothing_answers(reader: Reader, question: str) -> None:
    text, finish = answer(reader, request(question))
    assert finish is Finish.UNANSWERED
    assert "the starter library" in text
    assert "My documents or Wikipedia" in text
    assert not cited(text, 3)
    assert words(text) <= MOST_WORDS


def test_the_refusal_is_in_the_language_of_the_question(reader: Reader) -> None:
    asked = request(
        "谁赢得了2020年的总统选举？", CHINESE, "zh", searched=("入门资料库",), unsearched=("我的文档", "维基百科")
    )
    text, finish = answer(reader, asked)
    assert finish is Finish.UNANSWERED
    assert "入门资料库" in text and "我的文档或维基百科" in text


def test_other_languages_are_refused_in_english(reader: Reader) -> None:
    text, finish = answer(reader, request("Wie wird das Wetter morgen?", (), "de"))
    assert finish is Finish.UNANSWERED
    assert text.startswith("I found no sentence")


def test_without_sources_it_says_that_retrieval_is_off(reader: Reader) -> None:
    text, finish = answer(reader, request("Who discovered penicillin?", (), searched=()))
    assert finish is Finish.UNANSWERED
    assert "Retrieval is off" in text
    assert "Wikipedia" in text


@pytest.mark.parametrize(
    ("question", "sentence", "number"),
    [("长城有多长？", "长城总长度超过两万公里。", 2), ("李白出生于哪一年？", "李白出生于公元701年。", 1)],
)
def test_it_reads_chinese_without_the_encoder(reader: Reader, question: str, sentence: str, number: int) -> None:
    text, finish = answer(reader, request(question, CHINESE, "zh"))
    assert f"{sentence} [{number}]" in text
    assert finish is Finish.STOP


@pytest.mark.parametrize(
    ("question", "language", "reply"),
    [
        ("hello", "en", "Groundchat"),
        ("How are you?", "en", "ready"),
        ("thanks a lot", "en", "welcome"),
        ("bye", "en", "Goodbye"),
        ("who are you?", "en", "I am Groundchat"),
        ("What can you do?", "en", "document"),
        ("你好", "zh", "你好"),
        ("谢谢！", "zh", "不客气"),
        ("你是谁？", "zh", "Groundchat"),
    ],
)
def test_small_talk(reader: Reader, question: str, language: str, reply: str) -> None:
    text, finish = answer(reader, request(question, (), language, searched=()))
    assert reply in text
    assert finish is Finish.STOP


def test_small_talk_is_quoted_from_the_guide_where_it_was_found(reader: Reader) -> None:
    text, _ = answer(reader, request("Hi there!", (*LIBRARY, HELLO)))
    assert text.startswith("Hello, I am Groundchat, and I answer questions with quotes. [4]")


@pytest.mark.parametrize("question", ["Write a poem about the Nile", "Please summarise our conversation"])
def test_it_says_that_it_cannot_make_things_up(reader: Reader, question: str) -> None:
    text, finish = answer(reader, request(question))
    assert finish is Finish.UNANSWERED
    assert "Load a chat model" in text


@pytest.mark.parametrize("question", ["How do I upload a document?", "How large may an uploaded file be?"])
def test_questions_about_the_app_are_answered_from_the_guide(reader: Reader, question: str) -> None:
    text, finish = answer(reader, request(question, (*LIBRARY, GUIDE)))
    assert cited(text, 4) == (4,)
    assert finish is Finish.STOP


@pytest.mark.parametrize("question", ["What is the model of the atom?", "Which side of the list is larger?"])
def test_the_guide_has_no_say_about_the_world(reader: Reader, question: str) -> None:
    text, finish = answer(reader, request(question, (GUIDE,)))
    assert finish is Finish.UNANSWERED
    assert not cited(text, 1)


def test_an_answer_never_exceeds_its_length(reader: Reader) -> None:
    long = (
        "The Amber Bridge, which stands in the old town of Karvan and has been repaired many times over the years by "
        "masons from the valley, painters from the coast and smiths from the hills, was built in 1743 by the engineer "
        "Josef Lindqvist, who had studied in Uppsala, and it replaced a wooden bridge that had burned down in the "
        "great fire, after which the merchants of the town had to cross the river by ferry for eleven years."
    )
    text, finish = answer(reader, request("Who built the Amber Bridge?", (passage(long, "Amber Bridge"),)))
    assert "Josef Lindqvist" in text
    assert "…" in text
    assert len(text.split()) <= MOST_WORDS
    assert finish is Finish.STOP
    assert all(part.strip(" …[1]") in long for part in text.split("…"))


def test_stored_vectors_are_used(encoder: SentenceEncoder, reader: Reader) -> None:
    class Store:
        asked = 0

        def vectors(self, keys: Sequence[int]) -> list[Stored | None]:
            self.asked += len(keys)
            known = {vector_key(texts): texts for texts in (encoded_texts(p, units(p.text)) for p in LIBRARY)}
            return [encoder.encode(known[key]).astype(np.float16) for key in keys]

    store = Store()
    with_store = Reader(SentenceJudge(UnitVectors(encoder, store)))
    question = request("Who discovered penicillin?")
    assert answer(with_store, question) == answer(reader, question)
    assert store.asked == len(LIBRARY)


def test_it_stops_when_cancelled(reader: Reader) -> None:
    asked = request("Who discovered penicillin?")
    stream = reader.stream(asked)
    written = [next(stream)]
    asked.cancel.set()
    written += stream
    assert written[-1] == Chunk(finish=Finish.CANCELLED)
    assert len(written) == 2


def test_a_request_cancelled_beforehand_writes_nothing(reader: Reader) -> None:
    cancel = threading.Event()
    cancel.set()
    assert list(reader.stream(request("Who discovered penicillin?", cancel=cancel))) == [Chunk(finish=Finish.CANCELLED)]


FAQ = (
    "Q: How long does the battery last?\nA: About 14 days with two waterings a day. It charges over USB-C in "
    "three hours.\n\nQ: Is it waterproof?\nA: The AquaDrop Mini is splash-proof, not waterproof."
)


def test_a_question_is_never_quoted_but_its_answer_is(reader: Reader) -> None:
    given = (passage(FAQ, "AquaDrop Mini – FAQ", "documents"), *LIBRARY)
    text, _ = answer(reader, request("how long does the battery last?", given))
    assert text == "About 14 days with two waterings a day. [1]"
    text, finish = answer(
        reader, request("Why did the Titanic sink?", [passage("Why did the Titanic sink?", "Titanic")])
    )
    assert finish is Finish.UNANSWERED and "[1]" not in text


def test_what_is_mine_stands_in_my_documents(reader: Reader) -> None:
    pay = "Wages are paid on the 28th of each month. Mileage is paid at 45p a mile."
    given = (passage(pay, "Employee Handbook", "documents", section="Pay and expenses"), *LIBRARY)
    assert answer(reader, request("when do we get paid?", given))[0].startswith("Wages are paid on the 28th")
    for question in ("How long is the Nile?", "what can you tell me about how long the Nile is?"):
        assert "6,650 kilometres" in answer(reader, request(question, given))[0]


def test_what_is_asks_for_the_opening_of_the_article(reader: Reader) -> None:
    for question in ("what is a titanic?", "tell me about the Titanic"):
        assert answer(reader, request(question))[0] == "The Titanic was a British passenger ship. [3]"


def test_html_and_brackets_are_quoted_as_text(reader: Reader) -> None:
    text = "The <b>Zorbon</b> reactor was built in 1977 <script>alert(1)</script> by Maria Krull.[7] It is blue."
    reply, _ = answer(reader, request("Who built the Zorbon reactor?", (passage(text, "Zorbon reactor"),)))
    assert "<script>alert(1)</script> by Maria Krull.[7]" in reply.replace("\\", "")
    assert cited(reply, 9) == (1,)


def test_reference_marks_at_the_end_of_a_sentence_fall_off(reader: Reader) -> None:
    text = "The Zorbon reactor was built in 1977 by Maria Krull.[7][8]"
    reply, _ = answer(reader, request("Who built the Zorbon reactor?", (passage(text, "Zorbon reactor"),)))
    assert reply == "The Zorbon reactor was built in 1977 by Maria Krull. [1]"


def test_a_huge_passage(reader: Reader) -> None:
    huge = "word " * 19_000 + "Penicillin was discovered by Alexander Fleming. " + "x" * 5_000
    assert len(huge) >= 100_000
    text, _ = answer(reader, request("Who discovered penicillin?", (passage(huge, "Huge"), *LIBRARY)))
    assert "Alexander Fleming" in text
    assert len(text.split()) <= MOST_WORDS


@pytest.mark.parametrize("question", ["", " ", "x" * 20_000, "\0", "🙂", "<b>"])
def test_odd_questions_get_an_answer_in_words(reader: Reader, question: str) -> None:
    text, _ = answer(reader, request(question))
    assert text.strip()


@pytest.mark.parametrize("text", ["[1]", "<p>", "# ", "-", "。", "A"])
def test_passages_without_a_sentence(reader: Reader, text: str) -> None:
    _, finish = answer(reader, request("Who discovered penicillin?", (passage(text, ""),)))
    assert finish is Finish.UNANSWERED


def test_another_encoder_means_words_alone(encoder: SentenceEncoder) -> None:
    class Other(SentenceEncoder):
        hash = "of another"

        def encode(self, texts: Sequence[str], batch_tokens: int = 8192) -> Vectors:
            raise AssertionError("its cosines mean something else")

    text, _ = answer(Reader(SentenceJudge(UnitVectors(Other()))), request("Who discovered penicillin?"))
    assert "Alexander Fleming" in text


def test_broken_weights_are_reported_in_one_sentence(encoder: SentenceEncoder, tmp_path: Path) -> None:
    (tmp_path / "reader.terms.tsv").write_text("the\t0.9\n", encoding="utf-8")
    (tmp_path / "reader.json").write_text(json.dumps({"words": {"features": ["no such feature"]}}), encoding="utf-8")
    with pytest.raises(ModelError, match=r"reader\.json"):
        Reader(SentenceJudge(UnitVectors(encoder), tmp_path)).load()
    with pytest.raises(ModelError, match=r"reader\.terms\.tsv"):
        Reader(SentenceJudge(UnitVectors(encoder), tmp_path / "nowhere")).load()


def test_the_probabilities_of_a_question_leave_room_for_none() -> None:
    assert probabilities(np.zeros(3, np.float32)) == pytest.approx([0.25] * 3)
    assert probabilities(np.array([-50.0], np.float32))[0] < 1e-6
    assert probabilities(np.array([500.0, 0.0], np.float32)) == pytest.approx([1, 0])
    assert probabilities(np.zeros(0, np.float32)).sum() == 0


def test_the_networks_read_features_that_exist() -> None:
    networks = read_networks(ADAPTERS / "reader.json")
    assert set(networks) == {"vectors", "words"}
    assert all(0 < network.threshold < 1 for network in networks.values())
    assert not any("cosine" in FEATURES[column] for column in networks["words"].columns)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Who wrote Hamlet?", Expected.PERSON),
        ("In what year did it open?", Expected.TIME),
        ("How many moons are there?", Expected.NUMBER),
        ("Which city hosted it?", Expected.PLACE),
        ("Why is the sky blue?", Expected.REASON),
        ("How do vaccines work?", Expected.MANNER),
        ("What is DNA?", Expected.THING),
        ("谁写了它？", Expected.PERSON),
        ("长城有多长？", Expected.NUMBER),
        ("为什么天是蓝的？", Expected.REASON),
        ("故宫在哪里？", Expected.PLACE),
    ],
)
def test_what_a_question_expects(question: str, kind: Expected) -> None:
    assert expected(question) is kind


def test_length_in_words() -> None:
    assert words("The Nile is long. [1]") == 5
    assert words("长城很长。") == pytest.approx(4 / 1.5 + 1)
    assert words("") == 0


def test_an_excerpt_keeps_the_clauses_that_matter() -> None:
    sentence = "Long ago, when the hills were green, the bridge was built in 1743, and boats passed below it every day."
    kept = excerpt(sentence, 10, lambda part: float("1743" in part))
    assert kept == "…the bridge was built in 1743…"
    assert excerpt(sentence, 60, lambda part: 0) == sentence
    assert words(excerpt("word " * 500, 60, lambda part: 0)) <= 60
