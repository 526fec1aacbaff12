"""What a prompt keeps where room is short, for a model here and for one on a server.

python -m pytest tests/test_budget.py
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pytest

from chat.base import Message, Role
from chat.conversation import Conversation, Outcome, Turn
from chat.prompt import PromptBuilder
from chat.remote_prompt import fit, tokens_of
from encoder import SentenceEncoder
from retrieval.base import Passage
from tests.bench import Engine, Make, benches
from tests.tiny_model import _tokenizer

CONTEXTS = (64, 128, 256, 512, 1024, 2048, 8192)
RIVER = "The river passes through ten countries on its way to the sea. "
TALE = "Once upon a time a dragon named Ember lived in a cave above the town. "


@dataclass(frozen=True, slots=True)
class Built:
    """What an engine reads."""

    text: str
    took: int
    room: int
    notices: tuple[str, ...]


Build = Callable[..., Built]


def local(messages: Sequence[Message], passages: Sequence[Passage] = (), context: int = 2048, most: int = 512) -> Built:
    prompt = PromptBuilder(_LOCAL, "chat-template", context).build(messages, passages, max_new_tokens=most)
    return Built(prompt.text, len(prompt.ids), prompt.room, prompt.notices)


def remote(
    messages: Sequence[Message], passages: Sequence[Passage] = (), context: int = 2048, most: int = 512
) -> Built:
    fitted = fit(messages, passages, begun="", continues=True, max_new_tokens=most, context=context)
    text = "\n".join(message["content"] for message in fitted.messages)
    return Built(text, sum(tokens_of(m["content"]) for m in fitted.messages), fitted.room, fitted.notices)


_LOCAL = _tokenizer(chat_template=True)
ENGINES = pytest.mark.parametrize("build", [local, remote])


def said(*texts: str, relevance: Sequence[float] = ()) -> list[Message]:
    return [
        Message((Role.USER, Role.ASSISTANT)[n % 2], text, relevance[n // 2] if n // 2 < len(relevance) else 1.0)
        for n, text in enumerate(texts)
    ]


def passage(number: int, text: str) -> Passage:
    return Passage(f"a#{number}", text, f"River {number}", "library", "a")


LONG_SOURCES = [passage(n, f"source{n} {RIVER * 90}") for n in range(1, 7)]
LONG_TALK = said(*(f"{'ask' if n % 2 == 0 else 'say'}{n // 2} {TALE * 30}" for n in range(40)), "Q?")


@ENGINES
@pytest.mark.parametrize("context", CONTEXTS)
def test_question_sources_and_the_last_exchange_have_their_share(build: Build, context: int) -> None:
    built = build(LONG_TALK, LONG_SOURCES, context)
    assert built.took + built.room <= context
    assert built.room >= min(512, context // 2 if context > 128 else context // 4)
    assert "Q?" in built.text
    assert any("source" in notice.lower() or "could not be given" in notice for notice in built.notices)
    if context >= 128:
        assert "source1" in built.text
    if context >= 256:
        assert "say19" in built.text
        shortened = any("exchange was shortened" in notice for notice in built.notices)
        assert shortened or f"say19 {TALE * 30}".strip() in built.text
    if context >= 512:
        assert built.took >= 0.75 * (context - min(512, context // 2)) or "say0" in built.text


@ENGINES
@pytest.mark.parametrize("context", CONTEXTS)
def test_long_sources_alone_and_long_talk_alone_use_the_room(build: Build, context: int) -> None:
    sources = build(said("Q?"), LONG_SOURCES, context)
    talk = build(LONG_TALK, (), context)
    assert ("source1" in sources.text) is (context >= 128)
    assert ("say19" in talk.text) is (context >= 128)
    for built in (sources, talk):
        assert built.took + built.room <= context
        assert "Q?" in built.text
        assert built.notices


@ENGINES
def test_the_last_exchange_stays_before_the_last_source(build: Build) -> None:
    sources = [passage(n, RIVER * 7) for n in range(1, 4)]
    built = build(said("ask0", f"say0 {RIVER * 3}", "ask1", f"say1 {RIVER * 3}", "Q?"), sources, 1024)
    assert "ask1" in built.text and "say1" in built.text
    assert "[1] River 1" in built.text


@ENGINES
def test_what_bears_least_on_the_question_leaves_first_then_the_oldest(build: Build) -> None:
    talk = said(*(f"{word}{n} {TALE * 2}" for n in range(6) for word in ("ask", "say")), "Q?")
    whole = build(talk, context=8192)
    least = [0.0, 0.5, 0.0, 0.5, 0.0, 0.0]
    related = said(*(m.content for m in talk), relevance=least)
    kept = []
    for context in range(256, whole.took + 600, 20):
        built = build(related, context=context, most=64)
        assert built.took + built.room <= context
        kept.append([n for n in range(6) if f"say{n} " in built.text])
        assert bool(built.notices) is (len(kept[-1]) < 6)
    order = [[3, 5], [1, 3, 5], [1, 3, 4, 5], [1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]]
    seen = [k for n, k in enumerate(kept) if not n or k != kept[n - 1]]
    assert seen[-len(order) :] == order
    assert build(related, context=8192).text == whole.text


@ENGINES
def test_an_exchange_left_out_for_its_topic_is_told_as_such(build: Build) -> None:
    talk = said(*(f"{word}{n} {TALE * 2}" for n in range(4) for word in ("ask", "say")), "Q?", relevance=[1, 0, 1, 1])
    whole = build(talk, context=8192)
    built = build(talk, context=whole.took + 64 - 20, most=64)
    assert "say1 " not in built.text and "say0 " in built.text
    assert len(built.notices) == 1
    assert "least to do with the question" in built.notices[0]
    old = build(said(*(m.content for m in talk)), context=whole.took + 64 - 20, most=64)
    assert old.notices[0].startswith("The oldest exchange was left out")


@ENGINES
@pytest.mark.parametrize("seed", range(6))
def test_every_prompt_fits_and_what_is_missing_is_told(build: Build, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(6):
        exchanges = chance.randrange(0, 12)
        texts = [f"{n}: {'water 河 river ' * chance.randrange(1, 60)}" for n in range(2 * exchanges)]
        relevance = [chance.choice([0.0, 0.3, 1.0]) for _ in range(exchanges)]
        sources = [
            passage(n, f"[{n}] {'stone 石头 letter ' * chance.randrange(1, 90)}") for n in range(chance.randrange(0, 6))
        ]
        context, most = chance.randrange(64, 1500), chance.randrange(1, 900)
        built = build(said(*texts, "Now?", relevance=relevance), sources, context, most)
        assert built.took + built.room <= context
        assert 1 <= built.room <= most
        assert "Now?" in built.text
        everything = all(text.strip() in built.text for text in (*texts, *(p.text for p in sources)))
        assert bool(built.notices) is not everything


@ENGINES
def test_many_tiny_exchanges_are_fitted_quickly(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """A template writes more around a short turn than the turn has; that must not cost a rendering each."""
    rendered = 0
    apply = _LOCAL.apply_chat_template

    def counting(*given: object, **options: object) -> object:
        nonlocal rendered
        rendered += 1
        return apply(*given, **options)

    monkeypatch.setattr(_LOCAL, "apply_chat_template", counting)
    build(said(*["Hi", "Hello"] * 900, "Q?"), context=2048)
    assert rendered < 40


DRAGON = ("Tell me a story about a dragon.", "Once upon a time there was a dragon named Ember who lived in a cave.")
LETTER = (
    "Write an email to my boss asking for a day off.",
    "Dear Mr Smith, I would like to take Friday off. Best regards, Anna",
)
SUM = ("What is 12 times 7?", "12 times 7 is 84.")
AFTER_DRAGON = """
Make it shorter.|Make it longer.|Explain more simply.|Are you sure?|Why?|Give me an example.|In French please.|
Summarise that.|Rewrite it as a poem.|Translate the last answer into French.|What happened next?|What is her name?|
Change the name to Bob.|Can you repeat that?|Continue.|Go on.|I don't understand.|That is wrong.|Shorter please|
now in Spanish|make it funnier|use simpler words|What did I ask you before?|Give it a happy ending.|请翻译成中文|
再短一点
"""
AFTER_LETTER = """
Make it more formal.|Use Monday instead.|Sign it as Tom.|Add a sentence about my health.|Shorten to two sentences.|
Fix the grammar.
"""
AFTER_SUM = "And times 3?|Add five to the result.|Divide by two.|Check your answer.|Show the steps."
FOLLOW_UPS = [
    (before, question.strip())
    for before, questions in ((DRAGON, AFTER_DRAGON), (LETTER, AFTER_LETTER), (SUM, AFTER_SUM))
    for question in questions.split("|")
]


@pytest.fixture(scope="module")
def make(encoder: SentenceEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    with benches(encoder, tmp_path_factory.mktemp("bench")) as make:
        yield make


def test_follow_ups_are_given_with_what_they_follow(make: Make) -> None:
    engine = Engine(least=0.3)  # as a chat model: the reader would sum up a document
    bench = make(engine)
    for (question, answer), follow_up in FOLLOW_UPS:
        before = Conversation("c", turns=(Turn("1", question, Outcome.ANSWERED, answer),))
        bench.reply(follow_up, before, sources=(), moderation=False)
    lost = [request.question for request in engine.asked if len(request.messages) != 3]
    assert len(engine.asked) == len(FOLLOW_UPS) == 37
    assert lost == []


def test_a_new_topic_tells_how_far_each_turn_bears_on_it(make: Make) -> None:
    engine = Engine()
    talk = (("How long is the Danube?", "It is 2,850 km long."), ("What is milk sugar?", "Lactose, found in milk."))
    turns = tuple(Turn(str(n), question, Outcome.ANSWERED, answer) for n, (question, answer) in enumerate(talk))
    make(engine).reply("Which enzyme digests sugar in humans?", Conversation("c", turns=turns))
    danube, _, milk, also, now = engine.asked[0].messages
    assert danube.relevance == 0
    assert 0 < milk.relevance == also.relevance < 1
    assert now.relevance == 1


@ENGINES
def test_what_stands_around_a_source_takes_only_the_room_that_is_left(build: Build) -> None:
    first = passage(1, f"source1 {RIVER * 10}")
    first = replace(first, before=f"before1 {RIVER * 20}", after=f"after1 {RIVER * 20}")
    second = replace(passage(2, f"source2 {RIVER * 10}"), before=f"before2 {RIVER * 20}")
    talked = said(f"ask0 {TALE * 10}", f"say0 {TALE * 10}", "Q?")
    whole = build(talked, [first, second], 8192, 64)
    assert all(word in whole.text for word in ("before1", "after1", "before2", "ask0", "say0"))
    alone = [passage(1, first.text), passage(2, second.text)]
    needed = build(talked, alone, 8192, 64).took
    for context in (needed // 2, needed + 128):
        tight = build(talked, [first, second], context, 64)
        assert tight == build(talked, alone, context, 64) and "source1" in tight.text
    # Room for one: the best source's comes first.
    some = build(talked, [first, second], (needed + 2 * whole.took) // 3 + 160, 64)
    assert "before1" in some.text and "after1" in some.text and "before2" not in some.text


@ENGINES
def test_a_source_alone_in_a_short_prompt_is_given_without_what_stands_around_it(build: Build) -> None:
    source = replace(passage(1, f"source1 {RIVER * 3}"), before=RIVER * 90, after=RIVER * 90)
    built = build(said("Q?"), [source], 256, 64)
    assert "source1" in built.text and built.text.count("ten countries") == 3 and built.notices == ()
