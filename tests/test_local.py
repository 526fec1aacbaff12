"""The transformers engine: what it writes, from which prompt, and with which sampling."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from chat.base import Finish, Sampling
from chat.decoding import Decoder, Job, Waiting
from chat.local import LocalModel
from errors import InputError
from retrieval.base import Passage
from tests.tiny_model import (
    DIALOGUES,
    END,
    FROM_SOURCES,
    START,
    answer,
    ask,
    make_tiny_model,
    one_thread,
    ready,
    shared_tiny_model,
    text,
)


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def neox(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    return ready(shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=False))


@pytest.fixture(scope="module")
def chatml(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    return ready(shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True))


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    """Random weights: writes long nonsense, broken bytes among it."""
    return ready(make_tiny_model(tmp_path_factory.mktemp("wild"), chat_template=True, steps=0))


class Recording:
    """A decoder that notes the tokens another one writes."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.tokens: list[int] = []

    def write(self, job: Job) -> Generator[int | Waiting]:
        for token in self.decoder.write(job):
            if isinstance(token, int):
                self.tokens.append(token)
            yield token


class Forced:
    """A decoder that writes given tokens, so that a test decides what the model says."""

    def __init__(self, ids: list[int]) -> None:
        self.ids = ids

    def write(self, job: Job) -> Generator[int | Waiting]:
        for token in self.ids[: job.room]:
            if token in job.ends:
                return
            yield token


def recorded(monkeypatch: pytest.MonkeyPatch, model: LocalModel) -> list[int]:
    """The tokens that `model` writes from now on in this test."""
    assert model._decoder is not None
    recording = Recording(model._decoder)
    monkeypatch.setattr(model, "_decoder", recording)
    return recording.tokens


def force(monkeypatch: pytest.MonkeyPatch, model: LocalModel, pieces: list[str], end: bool = True) -> None:
    """Make `model` write `pieces`, each tokenised for itself, and then end its answer."""
    tokenizer = model._tokenizer
    ids = [id_ for piece in pieces for id_ in tokenizer.encode(piece, add_special_tokens=False)]
    ids += [tokenizer.eos_token_id] if end else []
    monkeypatch.setattr(model, "_decoder", Forced(ids))


# What it writes


@pytest.mark.parametrize(("question", "wanted"), DIALOGUES)
def test_answers_in_its_own_format(neox: LocalModel, chatml: LocalModel, question: str, wanted: str) -> None:
    for model in (neox, chatml):
        chunks = list(model.stream(ask(question)))
        assert text(chunks) == wanted
        assert chunks[-1].finish is Finish.STOP
        assert [chunk.finish for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)


def test_answers_from_sources(chatml: LocalModel) -> None:
    source = Passage(id="a#0", text="It rises in the Black Forest.", title="Danube", source="library", document="a")
    assert answer(chatml, "Where does the Danube rise?", passages=(source,)) == FROM_SOURCES


@pytest.mark.parametrize("question", ["Hello!", "Where is the river?", "water " * 200])
def test_greedy_is_generate_token_for_token(
    neox: LocalModel, chatml: LocalModel, wild: LocalModel, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    import torch

    for model in (neox, chatml, wild):
        net = model.network
        tokens = recorded(monkeypatch, model)
        request = ask(question, "It is far.", "Why?")
        shown = answer(model, question, "It is far.", "Why?")
        prompt = model._prompts.build(request.messages, max_new_tokens=request.sampling.max_new_tokens, started=START)
        ids = torch.tensor([prompt.ids])
        written = net.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=request.sampling.max_new_tokens,
            eos_token_id=sorted(model._ends),
            pad_token_id=0,
            do_sample=False,
        )
        wanted = written[0, ids.shape[1] :].tolist()
        ended = wanted[:-1] if wanted[-1] in model._ends else wanted
        assert tokens == ended[: len(tokens)]
        assert len(tokens) == len(ended) or model is neox  # its stop string comes before the end token
        if model is wild:
            assert shown == model._tokenizer.decode(wanted, skip_special_tokens=True).rstrip("\ufffd")


def test_a_seed_makes_it_reproducible_and_none_does_not(wild: LocalModel) -> None:
    seeded = Sampling(temperature=1.0, top_k=0, seed=3, max_new_tokens=30)
    assert answer(wild, "Hello", sampling=seeded) == answer(wild, "Hello", sampling=seeded)
    free = Sampling(temperature=1.0, top_k=0, max_new_tokens=30)
    assert answer(wild, "Hello", sampling=free) != answer(wild, "Hello", sampling=free)


# OpenChatKit's defects


def test_an_answer_that_ended_properly_gets_no_dots(neox: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch, neox, [" Hi there."])
    assert answer(neox, "Hello!") == "Hi there."


@pytest.mark.parametrize("pieces", [[" Hi.\n", "<", "hum", "an", ">"], [" Hi.", "<human>: I", " am"], [" Hi.\n<bot>:"]])
def test_no_role_tag_is_shown(neox: LocalModel, monkeypatch: pytest.MonkeyPatch, pieces: list[str]) -> None:
    force(monkeypatch, neox, pieces)
    chunks = list(neox.stream(ask("Hello!")))
    assert text(chunks) == "Hi."
    assert chunks[-1].finish is Finish.STOP


@pytest.mark.parametrize("ending", ["a <", "list\n", "see <hum"])
def test_held_back_text_is_shown_where_the_model_ended(
    neox: LocalModel, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    force(monkeypatch, neox, [f" {ending}"])
    chunks = list(neox.stream(ask("Hello!")))
    assert (text(chunks), chunks[-1].finish) == (ending, Finish.STOP)


def test_where_it_was_cut_nothing_of_a_role_tag_is_shown(neox: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch, neox, [" see\n<hum"], end=False)
    length = len(neox._tokenizer.encode(" see\n<hum", add_special_tokens=False))
    chunks = list(neox.stream(ask("Hello!", sampling=Sampling(max_new_tokens=length))))
    assert (text(chunks), chunks[-1].finish) == ("see", Finish.LENGTH)


def test_a_cancel_shows_nothing_of_a_role_tag(neox: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    request = ask("Hello!")
    force(monkeypatch, neox, [" see\n<hum"], end=False)
    stream = neox.stream(request)
    chunks = [next(chunk for chunk in stream if chunk.text)]
    request.cancel.set()
    chunks += stream
    assert (text(chunks), chunks[-1].finish) == ("see", Finish.CANCELLED)


@pytest.mark.parametrize("question", [0, 1, 4])
def test_cut_anywhere_it_goes_on_from_what_was_shown(
    neox: LocalModel, monkeypatch: pytest.MonkeyPatch, question: int
) -> None:
    said, whole = DIALOGUES[question]
    tokens = recorded(monkeypatch, neox)
    assert answer(neox, said) == whole
    for length in range(1, len(tokens)):
        chunks = list(neox.stream(ask(said, sampling=Sampling(temperature=0, max_new_tokens=length))))
        begun = text(chunks)
        assert chunks[-1].finish is Finish.LENGTH
        assert whole.startswith(begun)
        assert not begun or begun + answer(neox, said, begun=begun) == whole


def test_a_role_tag_that_begins_in_what_was_shown_ends_the_answer(
    neox: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(monkeypatch, neox, ["an>: I am"])
    chunks = list(neox.stream(ask("Hello!", begun="see <hum")))
    assert (text(chunks), chunks[-1].finish, chunks[-1].notice) == ("", Finish.STOP, "")


def test_characters_of_many_tokens_come_whole(neox: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = "好的 😀\U0001f469\u200d\U0001f469\u200d\U0001f467 é \U0001f1eb\U0001f1f7"
    force(monkeypatch, neox, [" " + wanted])
    chunks = list(neox.stream(ask("Hello!")))
    assert text(chunks) == wanted
    assert "\ufffd" not in text(chunks)
    assert len(chunks) > 8


def test_the_answer_does_not_depend_on_how_the_prompt_decodes(
    neox: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = "Cafe\u0301 <|endoftext|>" * 9
    prompt = neox._prompts.build(ask(question).messages, max_new_tokens=8, started=START)
    assert neox._tokenizer.decode(prompt.ids, skip_special_tokens=True) != prompt.text
    force(monkeypatch, neox, [" Hi there."])
    assert answer(neox, question) == "Hi there."


def test_the_turn_ends_even_where_the_model_does_not_declare_it(tmp_path: Path) -> None:
    """Some fine-tuned chat models declare only the end of a document."""
    import json

    folder = make_tiny_model(tmp_path / "undeclared", chat_template=True)
    for name in ("config.json", "generation_config.json"):
        said = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(said | {"eos_token_id": 0}))
    said = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(said | {"eos_token": END}))
    assert answer(ready(folder), "Hello!") == "Hello! How can I help you?"


def test_an_empty_answer_is_told(chatml: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch, chatml, [])
    assert list(chatml.stream(ask("Hello!")))[-1].notice == "The model ended its turn without an answer."


def test_length_ends_an_answer(wild: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = recorded(monkeypatch, wild)
    chunks = list(wild.stream(ask("Hello!", sampling=Sampling(temperature=0, max_new_tokens=5))))
    assert chunks[-1].finish is Finish.LENGTH
    assert len(tokens) == 5


# Context


def test_what_was_left_out_is_told_first(chatml: LocalModel) -> None:
    said = ["water " * 100, "river " * 100] * 30
    chunks = list(chatml.stream(ask(*said, "Hello!")))
    assert "left out" in chunks[0].notice
    assert chunks[-1].finish is not None


def test_context_is_the_smallest_limit(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True)
    whole, capped = LocalModel(str(folder)), LocalModel(str(folder), context_limit=256)
    whole.load()
    capped.load()
    assert (whole.context, capped.context) == (4096, 256)
    with pytest.raises(InputError, match="too long"):
        list(capped.stream(ask("water " * 300)))
    assert answer(capped, "Hello!") == "Hello! How can I help you?"


# Loading


def test_the_name_of_a_folder_shows_no_path(neox: LocalModel) -> None:
    assert neox.name == "tiny-openchatkit"
    assert LocalModel("owner/model").name == "owner/model"


def test_it_loads_on_first_use_and_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    model = LocalModel(str(shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True)))
    assert not model.loaded
    assert answer(model, "Hello!") == "Hello! How can I help you?"
    decoder = model._decoder
    said: list[str] = []
    model.load(said.append)
    assert model._decoder is decoder
    assert said == []
