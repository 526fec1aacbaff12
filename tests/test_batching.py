"""Answers written together: the same tokens as alone, whoever comes and leaves meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from chat import batching
from chat.base import Sampling
from chat.batching import BatchedDecoder
from chat.decoding import Decoder, Waiting
from chat.plain import PlainDecoder
from chat.trial import batches
from errors import InputError
from tests.batched import Watched, first_token, generated, ids, job, network, seeded, until, written


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with seeded():
        yield


@pytest.fixture(scope="module")
def net() -> Any:
    return network("GPTNeoX", max_position_embeddings=4096)


# The same as alone


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("GPTNeoX", {}),
        ("GPTNeoX", {"use_parallel_residual": False, "rotary_pct": 0.5}),
        ("Llama", {"num_key_value_heads": 2, "tie_word_embeddings": True}),
        ("Qwen3", {"num_key_value_heads": 1, "head_dim": 16}),
        ("Mistral", {"num_key_value_heads": 2, "sliding_window": 7}),
        ("Gemma3Text", {"num_key_value_heads": 2, "head_dim": 8, "sliding_window": 6, "num_hidden_layers": 7}),
        ("Phi3", {"num_key_value_heads": 4, "pad_token_id": 0}),
        ("Olmo2", {"num_key_value_heads": 4}),
        ("GPT2", {"n_inner": 48}),
    ],
)
def test_it_writes_what_generate_writes_alone(kind: str, more: dict[str, Any]) -> None:
    net = network(kind, **more)
    assert batches(net) > 0
    jobs = [job(ids(count, seed=count), room) for count, room in ((5, 20), (300, 12), (17, 3), (256, 5), (1, 25))]
    found = written(BatchedDecoder(net, most_rows=3), jobs)
    assert found == [generated(net, one.ids, one.room) for one in jobs]


@pytest.mark.parametrize("kind", [BatchedDecoder, PlainDecoder])
@pytest.mark.parametrize("options", [{"repetition_penalty": 1.4}, {"no_repeat_ngram_size": 2}])
def test_greedy_options_are_those_of_generate(
    net: Any, options: dict[str, Any], kind: Callable[[Any], Decoder]
) -> None:
    sampling = Sampling(
        temperature=0,
        repetition_penalty=options.get("repetition_penalty", 1),
        no_repeat_ngram=options.get("no_repeat_ngram_size", 0),
    )
    jobs = [job(ids(20, seed=1), 40, sampling), job(ids(30, seed=2), 30), job(ids(9, seed=3), 40, sampling)]
    found = written(kind(net), jobs)
    assert found[0] == generated(net, jobs[0].ids, 40, **options) != generated(net, jobs[0].ids, 40)
    assert found[1] == generated(net, jobs[1].ids, 30)
    assert found[2] == generated(net, jobs[2].ids, 40, **options)


def test_a_seed_gives_the_same_answer_alone_and_in_company(net: Any) -> None:
    sampling = Sampling(temperature=1.0, top_k=20, top_p=0.9, seed=5)
    decoder = BatchedDecoder(net)
    alone = written(decoder, [job(ids(9), 30, sampling)])[0]
    jobs = [job(ids(9), 30, sampling), *(job(ids(5 + n, seed=n), 30, Sampling(seed=n)) for n in range(5))]
    assert written(decoder, jobs)[0] == alone
    assert [t for t in PlainDecoder(net).write(jobs[0]) if isinstance(t, int)] == alone


def test_an_end_token_ends_it_and_is_not_passed_on(net: Any) -> None:
    whole = generated(net, ids(8), 20)
    end = whole[6]
    found = written(BatchedDecoder(net), [job(ids(8), 20, ends=[end])])[0]
    assert found == whole[: whole.index(end)]


def test_what_cannot_be_batched_is_told_apart() -> None:
    with pytest.raises((ValueError, AttributeError, TypeError)):
        batches(network("Mamba"))
    with pytest.raises(Exception, match=r".+"):
        batches(network("Bloom"))


# Together


def test_they_are_written_in_the_same_passes(net: Any) -> None:
    with Watched(net) as watched:
        written(BatchedDecoder(net), [job(ids(4, seed=n), 30) for n in range(6)])
    assert max(rows for rows, tokens in watched.passes if tokens == 1) == 6
    assert len(watched.passes) < 3 * 30


def test_who_comes_later_joins(net: Any) -> None:
    decoder = BatchedDecoder(net)
    first = decoder.write(job(ids(4), 400))
    first_token(first)
    second = job(ids(6, seed=1), 5)
    assert written(decoder, [second])[0] == generated(net, second.ids, 5)
    assert decoder.busy == 1
    first.close()
    until(lambda: decoder.busy == 0)


def test_a_long_prompt_is_read_in_pieces_between_the_others_tokens(net: Any) -> None:
    decoder = BatchedDecoder(net)
    with Watched(net) as watched:
        first = decoder.write(job(ids(4), 500))
        first_token(first)
        list(decoder.write(job(ids(1000, seed=1), 1)))
        first.close()
    pieces = [at for at, (_, tokens) in enumerate(watched.passes) if tokens > 4]
    assert [watched.passes[at][1] for at in pieces] == [256, 256, 256, 232]
    assert all(later - earlier == 2 for earlier, later in pairwise(pieces))


def test_who_waits_knows_the_place_and_a_full_queue_is_told(net: Any) -> None:
    decoder = BatchedDecoder(net, most_rows=1, most_waiting=2)
    writing = decoder.write(job(ids(4), 3000))
    first_token(writing)
    places: list[list[int]] = [[], []]

    def wait(number: int) -> None:
        for token in decoder.write(job(ids(4, seed=number), 3)):
            if isinstance(token, Waiting):
                places[number].append(token.place)

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(2)]
    for number, thread in enumerate(threads):
        thread.start()
        until(places[number].__len__)
    with pytest.raises(InputError, match="2 others are already waiting"):
        next(decoder.write(job(ids(4), 3)))
    assert places[0][-1] == 1 and places[1][-1] == 2
    writing.close()
    for thread in threads:
        thread.join(60)
    assert decoder.busy == 0


# Leaving


def test_a_cancelled_request_is_gone_after_one_token(net: Any) -> None:
    decoder = BatchedDecoder(net)
    kept, left = job(ids(4), 60), job(ids(5), 3000)
    other = decoder.write(left)
    first_token(other)
    left.cancel.set()
    rest = [token for token in other if isinstance(token, int)]
    until(lambda: decoder.busy == 0)
    assert len(rest) < 3000
    assert written(decoder, [kept])[0] == generated(net, kept.ids, 60)


def test_a_reader_who_vanishes_leaves_nothing_running(net: Any) -> None:
    decoder = BatchedDecoder(net, most_rows=8)
    streams = [decoder.write(job(ids(4 + n, seed=n), 3000)) for n in range(12)]
    for stream in streams[:8]:
        next(stream)
    never = decoder.write(job(ids(3), 3000))
    del streams, stream, never
    until(lambda: decoder.busy == 0)
    assert written(decoder, [job(ids(4), 5)])[0] == generated(net, ids(4), 5)


def test_cancelled_while_waiting_it_is_never_read(net: Any) -> None:
    decoder = BatchedDecoder(net, most_rows=1)
    writing = decoder.write(job(ids(4), 3000))
    next(writing)
    waiting = job(ids(40), 5)
    stream = decoder.write(waiting)
    assert next(stream) == Waiting(1)
    with Watched(net) as watched:
        waiting.cancel.set()
        assert all(isinstance(token, Waiting) for token in stream)
    assert all(tokens == 1 for _, tokens in watched.passes)
    writing.close()


def test_the_thread_ends_without_work_and_begins_again(net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "_LINGER_S", 0.01)
    decoder = BatchedDecoder(net)
    assert len(written(decoder, [job(ids(4), 3)])[0]) == 3
    until(lambda: decoder._thread is None)
    assert len(written(decoder, [job(ids(4), 3)])[0]) == 3


# What was read before


def test_the_next_turn_reads_only_what_is_new(net: Any) -> None:
    decoder = BatchedDecoder(net)
    prompt = ids(90)
    answer = written(decoder, [job(prompt, 10)])[0]
    later = (*prompt, *answer, *ids(7, seed=1))
    with Watched(net) as watched:
        found = written(decoder, [job(later, 5)])[0]
    assert watched.passes[0] == (1, 8)  # the last token of the answer was never read
    assert found == generated(net, later, 5)


def test_a_shared_beginning_is_copied_from_who_is_writing(net: Any) -> None:
    decoder = BatchedDecoder(net)
    begin = ids(200)
    writing = decoder.write(job((*begin, 5), 3000))
    first_token(writing)
    other = (*begin, *ids(9, seed=4))
    with Watched(net) as watched:
        found = written(decoder, [job(other, 6)])[0]
    writing.close()
    assert max(tokens for _, tokens in watched.passes) == 9
    assert found == generated(net, other, 6)


def test_many_turns_of_many_chats_stay_right(net: Any) -> None:
    decoder = BatchedDecoder(net, most_rows=3, most_tokens=3 * 512)
    chats = [list(ids(20 + n, seed=n)) for n in range(5)]
    for turn in range(4):
        jobs = [job(chat, 6) for chat in chats]
        for chat, answer in zip(chats, written(decoder, jobs), strict=True):
            assert answer == generated(net, chat, 6)
            chat += [*answer, *ids(11, seed=100 + turn)]
    assert decoder._table.store.count * decoder._table.store.capacity <= 3 * 512
