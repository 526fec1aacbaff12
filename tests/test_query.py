"""Follow-up questions: what is searched for, and whether the topic has changed.

python -m pytest tests/test_query.py
"""

from __future__ import annotations

import time

import pytest

from retrieval.query import Turn, standalone, unresolved

PENICILLIN = Turn(
    "Who discovered penicillin?",
    "Penicillin was discovered in 1928 by the Scottish bacteriologist Alexander Fleming at St Mary's Hospital. [1]",
    "Penicillin",
)
FRANCE = Turn("What is the capital of France?", "Paris is the capital and largest city of France. [1]", "Paris")
TOWER = Turn("When was the Eiffel Tower built?", "The Eiffel Tower was built from 1887 to 1889. [1]", "Eiffel Tower")
CURIE = Turn("When was Marie Curie born?", "Marie Curie was born in Warsaw in 1867. [1]", "Marie Curie")
CUP = Turn("Who won the World Cup in 1994?", "Brazil won the 1994 World Cup. [1]", "Football World Cup")
PLANET = Turn("Which planet is the largest?", "Jupiter is the largest planet of the Solar System. [1]", "Solar System")
TITANIC = Turn("When did the Titanic sink?", "The Titanic sank on 15 April 1912. [1]", "Titanic")
LEAVES = Turn("What is photosynthesis?", "Photosynthesis turns light into sugar. [1]", "Photosynthesis")
PRESS = Turn(
    "When was the printing press invented?",
    "Johannes Gutenberg invented the printing press around 1440. [1]",
    "Printing press",
)
QINGMEISU = Turn("谁发现了青霉素？", "青霉素是1928年由苏格兰细菌学家亚历山大·弗莱明发现的。[1]", "青霉素")
FAGUO = Turn("法国的首都是哪里？", "法国的首都是巴黎，也是该国最大的城市。[1]", "法国")
LIBAI = Turn("李白出生于哪一年？", "李白生于701年。[1]", "李白")
HONGLOUMENG = Turn("《红楼梦》的作者是谁？", "《红楼梦》的作者一般认为是曹雪芹。[1]", "红楼梦")


@pytest.mark.parametrize(
    ("turn", "question", "text"),
    [
        (PENICILLIN, "and where was he born?", "where was Alexander Fleming born?"),
        (PENICILLIN, "When was it discovered?", "When was penicillin discovered?"),
        (PENICILLIN, "Was his wife a doctor?", "Was Alexander Fleming's wife a doctor?"),
        (PENICILLIN, "what about insulin?", "Who discovered insulin?"),
        (PENICILLIN, "Tell me more", "Tell me more about penicillin"),
        (FRANCE, "what about Germany?", "What is the capital of Germany?"),
        (FRANCE, "And Germany?", "What is the capital of Germany?"),
        (FRANCE, "How many people live there?", "How many people live in Paris?"),
        (FRANCE, "How big is it?", "How big is Paris?"),
        (FRANCE, "and the population?", "the population of Paris?"),
        (TOWER, "How tall is it?", "How tall is the Eiffel Tower?"),
        (CURIE, "and where?", "Where was Marie Curie born?"),
        (CURIE, "Did she win the Nobel Prize?", "Did Marie Curie win the Nobel Prize?"),
        (CURIE, "what about Albert Einstein?", "When was Albert Einstein born?"),
        (CUP, "and in 1998?", "Who won the World Cup in 1998?"),
        (CUP, "Who won it in 2002?", "Who won the World Cup in 2002?"),
        (PLANET, "How many moons does it have?", "How many moons does Jupiter have?"),
        (PLANET, "How far is that planet from the Sun?", "How far is the planet Jupiter from the Sun?"),
        (TITANIC, "Why?", "Why did the Titanic sink?"),
        (TITANIC, "Where did it happen?", "Where did the Titanic sink?"),
        (TITANIC, "Who was its captain?", "Who was the Titanic's captain?"),
        (LEAVES, "Why is it important?", "Why is photosynthesis important?"),
        (PRESS, "where was he born?", "where was Johannes Gutenberg born?"),
        (QINGMEISU, "他出生在哪里？", "亚历山大·弗莱明出生在哪里？"),
        (QINGMEISU, "它是怎么制造的？", "青霉素是怎么制造的？"),
        (FAGUO, "那德国呢？", "德国的首都是哪里？"),
        (FAGUO, "那里有多少人？", "巴黎有多少人？"),
        (LIBAI, "他是哪里人？", "李白是哪里人？"),
        (LIBAI, "那杜甫呢？", "杜甫出生于哪一年？"),
        (HONGLOUMENG, "他生活在哪个朝代？", "曹雪芹生活在哪个朝代？"),
        (HONGLOUMENG, "这本书有多少回？", "红楼梦有多少回？"),
    ],
)
def test_a_question_that_leans_on_the_turn_before(turn: Turn, question: str, text: str) -> None:
    query = standalone(question, [turn])
    assert query.text == text
    assert not query.new_topic


@pytest.mark.parametrize(
    ("turn", "question"),
    [
        (PENICILLIN, "Who wrote Hamlet?"),
        (PENICILLIN, "谁写了《哈姆雷特》？"),
        (CURIE, "How do bees find their way home?"),
        (CURIE, "What did Isaac Newton say about his theory?"),
        (CUP, "Is it true that cats purr?"),
        (CUP, "Why does a heart change its speed?"),
        (FRANCE, "Are there lakes on Mars?"),
        (LIBAI, "大熊猫吃什么？"),
    ],
)
def test_a_new_topic_drags_nothing_along(turn: Turn, question: str) -> None:
    query = standalone(question, [turn])
    assert query.text == question
    assert query.new_topic


@pytest.mark.parametrize("question", ["Did Fleming have children?", "How was penicillin first produced?", "Thanks!"])
def test_a_complete_question_on_the_same_topic_stays_as_it_is(question: str) -> None:
    query = standalone(question, [PENICILLIN])
    assert query.text == question
    assert not query.new_topic


def test_a_chain_of_follow_ups_keeps_its_topic() -> None:
    born = standalone("and where was he born?", [PENICILLIN])
    turns = [PENICILLIN, Turn(born.text, "Fleming was born at Lochfield farm in Ayrshire. [1]", "Alexander Fleming")]
    assert standalone("When did he die?", turns).text == "When did Alexander Fleming die?"


@pytest.mark.parametrize(
    ("first", "answer", "title", "chain"),
    [
        (
            "why did the titanic sink",
            "The Titanic sank after striking an iceberg. [1]",
            "Titanic",
            [
                ("how many lifeboats?", "Titanic: how many lifeboats?"),
                ("how many people died?", "Titanic: how many people died?"),
                ("when?", "Titanic: when?"),
            ],
        ),
        (
            "who was first to reach the south pole",
            "The Norwegian Roald Amundsen led the first party to reach the South Pole. [1]",
            "Antarctica",
            [
                ("and who was second?", "who was second to reach the South Pole?"),
                ("when was that?", "when was the South Pole reached second?"),
            ],
        ),
        (
            "who was the first computer programmer",
            "Ada Lovelace was an English mathematician who is often called the first computer programmer. [1]",
            "Ada Lovelace",
            [
                ("who was her dad?", "who was Ada Lovelace's dad?"),
                ("when did he die?", "when did Ada Lovelace's dad die?"),
            ],
        ),
        (
            "who climbed mount everest first",
            "Edmund Hillary and Tenzing Norgay first reached the top of Mount Everest in 1953. [1]",
            "Mount Everest",
            [
                ("when?", "when was Mount Everest climbed first?"),
                ("where?", "where was Mount Everest climbed first?"),
                ("and the first woman?", "Mount Everest: the first woman?"),
            ],
        ),
    ],
)
def test_a_longer_chain(first: str, answer: str, title: str, chain: list[tuple[str, str]]) -> None:
    turns = [Turn(first, answer, title)]
    for question, text in chain:
        assert standalone(question, turns).text == text
        turns.append(Turn(text, answer, title))


def test_the_antecedent_may_lie_further_back() -> None:
    turns = [CURIE, Turn("Is it raining?", "", "")]
    assert "Marie Curie" in standalone("Where did she study?", turns).text


@pytest.mark.parametrize("said", ["are you sure?", "lol", "thanks", "that's wrong", "do you speak Chinese?"])
def test_small_talk_in_between_does_not_hide_the_topic(said: str) -> None:
    turns = [PENICILLIN, Turn(said, "Sorry: I may have quoted the wrong sentence. Open the source to check.")]
    assert standalone("where was he born?", turns).text == "where was Alexander Fleming born?"
    assert standalone("when was that?", turns).text == "When was penicillin discovered?"


@pytest.mark.parametrize("said", ["你确定吗？", "哈哈", "谢谢"])
def test_chinese_small_talk_in_between_does_not_hide_the_topic(said: str) -> None:
    assert (
        standalone("他是哪国人？", [QINGMEISU, Turn(said, "抱歉，我可能摘错了句子。")]).text
        == "亚历山大·弗莱明是哪国人？"
    )


@pytest.mark.parametrize(
    ("typed", "searched"),
    [
        ("whats the tallest mountain", "what's the tallest mountain"),
        ("Whos the king of Spain", "Who's the king of Spain"),
        ("wich planet is the biggest", "which planet is the biggest"),
        ("so wat is dna", "so what is dna"),
        ("why didnt it sink", "why didn't it sink"),
        ("What is a whatsit?", "What is a whatsit?"),
        ("WHO wrote Hamlet", "WHO wrote Hamlet"),
    ],
)
def test_misspelt_question_words_are_put_right(typed: str, searched: str) -> None:
    assert standalone(typed, []).text == searched


@pytest.mark.parametrize(
    ("question", "pronoun"),
    [
        ("when was he born?", "he"),
        ("how do I clean it?", "it"),
        ("他是哪里人？", "他"),
        ("What did Isaac Newton say about his theory?", ""),
        ("How do bees find their way home?", ""),
        ("is it raining?", ""),
        ("李白和他的朋友", ""),
        ("Who wrote Hamlet?", ""),
    ],
)
def test_a_pronoun_that_nothing_explains_is_found(question: str, pronoun: str) -> None:
    assert unresolved(question) == pronoun


def test_a_pronoun_is_not_replaced_by_a_name_that_stands_beside_it() -> None:
    assert standalone("When did he meet Marie Curie?", [CURIE]).text == "When did he meet Marie Curie?"


def test_the_first_question_is_taken_as_it_is() -> None:
    query = standalone("  where was he born?\n", [])
    assert (query.text, query.new_topic, query.language) == ("where was he born?", False, "en")


@pytest.mark.parametrize(
    ("turn", "question", "language"),
    [(PENICILLIN, "and in 1945?", "en"), (LIBAI, "1945？", "zh"), (LIBAI, "Why?", "en")],
)
def test_the_language_is_the_questions(turn: Turn, question: str, language: str) -> None:
    assert standalone(question, [turn]).language == language


def test_a_language_without_rules_is_left_alone() -> None:
    question = "Wo wurde er geboren, und warum ging er nach London?"
    query = standalone(question, [PENICILLIN])
    assert (query.text, query.language) == (question, "de")


@pytest.mark.parametrize("question", ["it " * 190, "A-" * 290, "在" * 590, "?" * 500, "there " * 90, "X" * 100_000])
def test_odd_and_huge_input_takes_no_time(question: str) -> None:
    turns = [Turn("A " * 5000, "Bob " * 5000, "C" * 5000)]
    standalone("warm up", turns)
    began = time.perf_counter()
    standalone(question, turns)
    assert time.perf_counter() - began < 2
