"""Slash commands as data. python -m pytest tests/test_commands.py"""

from __future__ import annotations

import dataclasses
import string

import pytest

from chat import command_texts
from chat.assistant import Ask
from chat.base import Sampling
from chat.commands import COMMANDS, finished, run
from chat.conversation import Conversation, Outcome, Turn
from chat.sampling_limits import LIMITS, changed, check
from chat.session import LoadModel, Offer, Quit, Response, Session, ShowPrompt
from chat.sources import Source
from errors import InputError
from tests.bench import Shelf

_SOURCES = (
    Source(Shelf("library"), {"en": "Starter library", "zh": "入门资料库"}),
    Source(Shelf("wikipedia"), {"en": "Wikipedia", "zh": "维基百科"}, remote=True),
)
OFFER = Offer(_SOURCES, model="tiny", reader="reader", models=("a/b",), ratings=True)
FIRST = Turn("1", "Who discovered penicillin?", Outcome.ANSWERED, "Fleming did.")
CUT = Turn("2", "How?", Outcome.LENGTH, "By chance, when")
SESSION = Session(Conversation("c", "me", (FIRST, CUT)), ("library",), sampling=Sampling(temperature=0.6))


def asked(line: str, session: Session = SESSION, offer: Offer = OFFER) -> Ask:
    response = run(line, session, offer)
    assert isinstance(response.effect, Ask)
    assert response.session == session
    return response.effect


def refused(line: str, session: Session = SESSION, offer: Offer = OFFER) -> str:
    with pytest.raises(InputError) as caught:
        run(line, session, offer)
    return str(caught.value)


# Messages


@pytest.mark.parametrize(
    ("line", "question"),
    [
        ("  What is 1/2?  ", "What is 1/2?"),
        ("/say /usr/bin is what?", "/usr/bin is what?"),
        ("/SAY hello", "hello"),
        ("／say　你好", "你好"),
        ("/say two\nlines", "two\nlines"),
    ],
)
def test_a_message_is_asked_the_way_the_switches_stand(line: str, question: str) -> None:
    session = dataclasses.replace(SESSION, moderation=False)
    ask = asked(line, session)
    assert (ask.question, ask.sources, ask.moderation, ask.raw) == (question, ("library",), False, False)
    assert (ask.conversation, ask.sampling, ask.resume) == (session.conversation, session.sampling, None)
    assert ask.turn_id not in ("1", "2")


@pytest.mark.parametrize("line", ["/usr/bin is what?", "/", "// a comment", "/1", "/重置"])
def test_what_only_looks_like_a_command_is_not_swallowed(line: str) -> None:
    said = refused(line)
    assert "is not a command" in said
    assert said.endswith(f"/say {line}")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("/hyperparameter", "did you mean /hyperparameters?"),
        ("/moderate off", "did you mean /moderation?"),
        ("/exi", "did you mean /quit?"),
        ("/xyzzy", "/help lists them"),
        ("/usr", "/say /usr"),
    ],
)
def test_an_unknown_command_is_told_with_the_nearest(line: str, hint: str) -> None:
    assert hint in refused(line)
    assert "\n" not in refused(line)


def test_every_command_is_listed_in_one_line_in_both_languages() -> None:
    for language, help_ in command_texts.HELP.items():
        lines = run("/?", dataclasses.replace(SESSION, language=language), OFFER).text.splitlines()
        assert len(lines) == len(COMMANDS) + 1
        for name, line in zip(COMMANDS, lines, strict=False):
            assert line.startswith(f"/{name}")
            assert line.endswith(help_[name])
    assert run("/help", dataclasses.replace(SESSION, language="fr"), OFFER) == dataclasses.replace(
        run("/help", SESSION, OFFER), session=dataclasses.replace(SESSION, language="fr")
    )


def test_only_commands_that_work_here_are_listed_and_meant() -> None:
    def listed(offer: Offer) -> set[str]:
        return {line[1:].split()[0] for line in run("/help", SESSION, offer).text.splitlines()[:-1]}

    unrated = dataclasses.replace(OFFER, ratings=False)
    assert set(COMMANDS) - listed(unrated) == {"good", "bad"}
    assert set(COMMANDS) - listed(dataclasses.replace(unrated, terminal=False)) == {"good", "bad", "quit"}
    assert "did you mean /good?" in refused("/goood")
    assert "/good" not in refused("/goood", offer=unrated).partition("; to send")[0]


def test_both_languages_know_the_same_words() -> None:
    for table in (command_texts.TEXTS, command_texts.HELP, command_texts.ARGUMENTS):
        assert table["en"].keys() == table["zh"].keys()
    for key, text in command_texts.TEXTS["en"].items():
        assert _fields(text) == _fields(command_texts.TEXTS["zh"][key]), key


def _fields(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


# The conversation


def test_raw_text_is_asked_beside_the_conversation() -> None:
    ask = asked("/raw_say <human>: Hi\\n<bot>:")
    assert (ask.question, ask.raw, ask.sources, ask.moderation) == ("<human>: Hi\\n<bot>:", True, (), True)
    assert finished(SESSION, ask, Turn(ask.turn_id, "x", Outcome.ANSWERED, "y")) == SESSION


@pytest.mark.parametrize("line", ["/say", "/raw_say  "])
def test_a_command_that_needs_a_text_says_so(line: str) -> None:
    assert f"{line.strip()} TEXT" in refused(line)


def test_retry_asks_the_last_question_again_in_its_place() -> None:
    ask = asked("/retry")
    assert (ask.question, ask.conversation.turns, ask.resume) == ("How?", (FIRST,), None)
    again = Turn(ask.turn_id, "How?", Outcome.ANSWERED, "With mould.")
    assert finished(SESSION, ask, again).conversation.turns == (FIRST, again)


def test_continue_goes_on_with_a_cut_answer_in_its_place() -> None:
    ask = asked("/continue")
    assert (ask.turn_id, ask.question, ask.conversation.turns, ask.resume) == ("2", "How?", (FIRST,), CUT)
    whole = dataclasses.replace(CUT, outcome=Outcome.ANSWERED, answer="By chance, when he was away.")
    assert finished(SESSION, ask, whole).conversation.turns == (FIRST, whole)
    failed = dataclasses.replace(CUT, outcome=Outcome.FAILED, answer="", reason="No memory.")
    told = dataclasses.replace(CUT, notices=("No memory.",))
    assert finished(SESSION, ask, failed).conversation.turns == (FIRST, told)
    broken = dataclasses.replace(CUT, outcome=Outcome.BROKEN_OFF, answer="By chance, when he", notices=("It broke.",))
    assert finished(SESSION, ask, broken).conversation.turns == (FIRST, broken)
    again = asked("/continue", dataclasses.replace(SESSION, conversation=Conversation("c", turns=(FIRST, broken))))
    assert again.resume == broken


def test_continue_needs_a_cut_answer_and_a_model() -> None:
    whole = dataclasses.replace(SESSION, conversation=Conversation("c", turns=(FIRST,)))
    assert "was not cut off" in refused("/continue", whole)
    assert "reader cannot go on" in refused("/continue", SESSION, dataclasses.replace(OFFER, model="reader"))


def test_undo_takes_the_last_turn_back_and_gives_its_question_back() -> None:
    response = run("/undo", SESSION, OFFER)
    assert response.session.conversation.turns == (FIRST,)
    assert (response.draft, response.effect) == ("How?", None)
    assert "How?" in response.text


def test_reset_begins_anew_and_keeps_the_switches() -> None:
    session = run("/reset", dataclasses.replace(SESSION, moderation=False), OFFER).session
    assert session.conversation.turns == () and session.conversation.id != "c"
    assert (session.conversation.owner, session.moderation, session.sources) == ("me", False, ("library",))


def test_the_prompt_of_the_last_turn_that_a_model_read() -> None:
    refusal = Turn("3", "Bad?", Outcome.QUESTION_REFUSED)
    session = dataclasses.replace(SESSION, conversation=SESSION.conversation.put(refusal))
    assert run("/raw_prompt", session, OFFER).effect == ShowPrompt(CUT)


@pytest.mark.parametrize("line", ["/undo", "/retry", "/continue", "/raw_prompt"])
def test_nothing_comes_before_the_first_question(line: str) -> None:
    assert "Nothing has been asked" in refused(line, dataclasses.replace(SESSION, conversation=Conversation("c")))


@pytest.mark.parametrize("line", ["/quit", "/exit", " /Quit "])
def test_leaving(line: str) -> None:
    assert run(line, SESSION, OFFER) == Response(SESSION, effect=Quit())


# Switches


def test_every_sampling_value_is_shown_and_can_be_set() -> None:
    assert [field.name for field in dataclasses.fields(Sampling)] == [*LIMITS, "chosen"]
    shown = run("/hyperparameters", SESSION, OFFER)
    assert shown.session == SESSION
    assert [line.split(" = ")[0] for line in shown.text.splitlines()] == list(LIMITS)
    line = "/hyperparameters temperature=0.7, TOP_K = 0 top_p=.9 seed=7 max_new_tokens=64"
    response = run(f"{line} repetition_penalty=1.1 no_repeat_ngram=3", SESSION, OFFER)
    assert response.session.sampling == Sampling(64, 0.7, 0, 0.9, 1.1, 3, 7)
    assert "temperature = 0.7\ntop_k = 0" in response.text
    assert run("/hyperparameters seed=none", response.session, OFFER).session.sampling.seed is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("temperature=hot", "The setting temperature is hot; it must be a number from 0 (greedy)"),
        ("temperature=nan", "The setting temperature is nan"),
        ("temperature=-1", "The setting temperature is -1"),
        ("top_k=2.5", "The setting top_k is 2.5; it must be a whole number from 0 (off)"),
        ("top_p=0", "The setting top_p is 0; it must be a number above 0 and at most 1"),
        ("max_new_tokens=0", "The setting max_new_tokens is 0"),
        (f"max_new_tokens={'9' * 5000}", "The setting max_new_tokens is 9999"),
        ("repetition_penalty=inf", "The setting repetition_penalty is inf"),
        ("seed=-1", "The setting seed is -1; it must be none, or a whole number"),
        ("top_k=none", "The setting top_k is none"),
        ("tempreature=1", "There is no setting “tempreature”; did you mean temperature?"),
        ("zzz=1", "did you mean max_new_tokens, temperature, top_k"),
        ("temperature 0.7", "“temperature 0.7” is not a setting; write NAME=VALUE"),
        ("top_k=1 temperature", "“temperature” is not a setting"),
    ],
)
def test_a_setting_that_cannot_be_is_one_sentence_and_changes_nothing(given: str, said: str) -> None:
    sentence = refused(f"/hyperparameters {given}")
    assert sentence.startswith(said) or said in sentence
    assert len(sentence) < 200


def test_numbers_of_programs_are_checked_like_typed_ones() -> None:
    assert changed(Sampling(), {"top_k": 40.0, "temperature": 0, "seed": 2**63 - 1}).top_k == 40
    for name, value in (("top_k", True), ("top_k", 0.5), ("temperature", [1]), ("temperature", 10**400)):
        with pytest.raises(InputError, match=f"The setting {name} is"):
            changed(Sampling(), {name: value})
    with pytest.raises(InputError, match="The setting seed is"):
        check(Sampling(seed=2**63))
    check(Sampling())


@pytest.mark.parametrize(
    ("argument", "chosen"),
    [
        ("wikipedia", ("wikipedia",)),
        ("Wikipedia,library", ("wikipedia", "library")),
        ("all", ("library", "wikipedia")),
        ("none", ()),
        ("Starter library", ("library",)),
        ("维基百科", ("wikipedia",)),
        ("", ("library",)),
    ],
)
def test_sources_are_chosen_by_name(argument: str, chosen: tuple[str, ...]) -> None:
    response = run(f"/sources {argument}", SESSION, OFFER)
    assert response.session.sources == chosen
    on = [line for line in response.text.splitlines() if line.startswith("[x]")]
    assert len(on) == len(chosen)


def test_an_unknown_source_is_told_with_those_there_are() -> None:
    assert refused("/sources library attic") == (
        "There is no source “attic”; choose from library, wikipedia, or all or none."
    )


def test_moderation_is_switched_unless_the_operator_keeps_it_on() -> None:
    off = run("/moderation off", SESSION, OFFER)
    assert not off.session.moderation
    assert run("/moderation", off.session, OFFER).text == off.text != run("/moderation", SESSION, OFFER).text
    assert run("/moderation ON", off.session, OFFER).session == SESSION
    forced = dataclasses.replace(OFFER, moderation_forced=True)
    assert "operator" in refused("/moderation off", SESSION, forced)
    assert run("/moderation on", SESSION, forced).session.moderation
    assert "neither on nor off" in refused("/moderation maybe")


def test_models_are_named_or_loaded() -> None:
    text = run("/model", SESSION, OFFER).text
    assert text.startswith("Answering now: tiny") and "  reader\n  a/b" in text
    assert run("/model some/model", SESSION, OFFER).effect == LoadModel("some/model")
    trained = dataclasses.replace(OFFER, models=("run:captain", "some/model"))
    assert "\n  run:captain" in run("/model", SESSION, trained).text
    for name in ("captain", "run:captain"):
        assert run(f"/model {name}", SESSION, trained).effect == LoadModel("run:captain")
    fixed = dataclasses.replace(OFFER, models_allowed=False)
    assert "operator" in refused("/model some/model", SESSION, fixed)
    assert run("/model", SESSION, fixed).text == "Answering now: tiny"


def test_words_come_in_the_sessions_language() -> None:
    session = dataclasses.replace(SESSION, language="zh")
    with pytest.raises(InputError) as caught:
        run("/xyz", session, OFFER)
    assert "没有 /xyz 这个命令" in caught.value.told("zh")
    with pytest.raises(InputError) as caught:
        run("/hyperparameters top_p=2", session, OFFER)
    assert "top_p" in caught.value.told("zh") != str(caught.value)
    assert run("/sources", session, OFFER).text.startswith("[x] library: 入门资料库")
