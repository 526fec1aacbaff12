"""Sampling in batches: every option against transformers' own, request by request."""

from __future__ import annotations

import dataclasses
import random

import pytest
import torch
from transformers import (
    LogitsProcessorList,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from chat.base import Sampling
from chat.sampler import NOT_A_NUMBER, Draw, pick

GREEDY = Sampling(temperature=0)
PLAIN = Sampling(temperature=1, top_k=0)
DRAWS = 4000


def shares_of(sampling: Sampling, prompt: list[int], logits: torch.Tensor) -> torch.Tensor:
    """The distribution that transformers draws from."""
    processors = LogitsProcessorList()
    if sampling.repetition_penalty != 1:
        processors.append(RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    if sampling.no_repeat_ngram:
        processors.append(NoRepeatNGramLogitsProcessor(sampling.no_repeat_ngram))
    if sampling.temperature != 1:
        processors.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k:
        processors.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        processors.append(TopPLogitsWarper(sampling.top_p))
    scores: torch.Tensor = processors(torch.tensor([prompt]), logits[None].clone())
    return scores[0].softmax(-1)


def drawn(sampling: Sampling, prompt: list[int], logits: torch.Tensor, company: list[Draw]) -> torch.Tensor:
    """How often each token comes, drawn beside `company`."""
    draws = [Draw(dataclasses.replace(sampling, seed=seed), prompt) for seed in range(DRAWS)]
    tokens = pick(logits.repeat(DRAWS + len(company), 1), [*company[:1], *draws, *company[1:]])[1 : DRAWS + 1]
    return torch.bincount(torch.tensor(tokens), minlength=len(logits)) / DRAWS


@pytest.mark.parametrize(
    "sampling",
    [
        PLAIN,
        Sampling(temperature=0.6, top_k=0),
        Sampling(temperature=1, top_k=5),
        Sampling(temperature=1, top_k=0, top_p=0.7),
        Sampling(temperature=0.8, top_k=8, top_p=0.8),
        Sampling(temperature=1, top_k=0, repetition_penalty=1.7),
        Sampling(temperature=1, top_k=0, no_repeat_ngram=2),
        Sampling(temperature=1.3, top_k=6, top_p=0.9, repetition_penalty=0.8, no_repeat_ngram=3),
        Sampling(temperature=1, top_k=1000),
    ],
)
def test_tokens_come_as_often_as_generate_draws_them(sampling: Sampling) -> None:
    prompt = [3, 7, 7, 2, 9, 3, 7, 1, 3]
    logits = torch.randn(24, generator=torch.Generator().manual_seed(5)) * 2
    company = [Draw(GREEDY, prompt), Draw(Sampling(temperature=2, top_k=3, top_p=0.5, seed=1), prompt)]
    wanted = shares_of(sampling, prompt, logits)
    found = drawn(sampling, prompt, logits, company)
    assert found[wanted == 0].sum() == 0
    # Four standard deviations of a share seen in so many draws.
    assert ((found - wanted).abs() <= 4 * (wanted * (1 - wanted) / DRAWS).sqrt() + 1e-9).all()


def test_a_nucleus_wider_than_the_candidates_is_exact() -> None:
    logits = torch.zeros(5000)
    logits[:3] = 1.0
    sampling = Sampling(temperature=1, top_k=0, top_p=0.9)
    wanted = int((shares_of(sampling, [0], logits) > 0).sum())
    draws = [Draw(dataclasses.replace(sampling, seed=seed), [0]) for seed in range(3000)]
    tokens = {token for i in range(0, 3000, 300) for token in pick(logits.repeat(300, 1), draws[i : i + 300])}
    assert wanted * 0.4 < len(tokens) <= wanted


def test_a_narrow_and_a_wide_nucleus_in_one_batch() -> None:
    logits = torch.stack([torch.zeros(2000), torch.cat([torch.full((2,), 20.0), torch.zeros(1998)])])
    sampling = Sampling(temperature=1, top_k=0, top_p=0.95)
    for seed in range(200):
        draws = [Draw(dataclasses.replace(sampling, seed=seed + i), [0]) for i in range(2)]
        wide, narrow = pick(logits.clone(), draws)
        assert 0 <= wide < 2000 and narrow in (0, 1)


@pytest.mark.parametrize("sampling", [GREEDY, Sampling(temperature=0, repetition_penalty=1.5, no_repeat_ngram=3)])
def test_greedy_choices_are_those_of_generate(sampling: Sampling) -> None:
    chance = torch.Generator().manual_seed(1)
    prompt, draw = [1, 2, 3, 1, 2], Draw(sampling, [1, 2, 3, 1, 2])
    for _ in range(60):
        logits = torch.randn(12, generator=chance)
        wanted = int(shares_of(dataclasses.replace(sampling, temperature=1, top_k=0), prompt, logits).argmax())
        assert pick(logits[None].clone(), [draw]) == [wanted]
        prompt.append(wanted)


def test_a_seed_gives_the_same_tokens_in_any_company() -> None:
    chance = torch.Generator().manual_seed(2)
    steps = torch.randn((30, 50), generator=chance)
    sampling = Sampling(temperature=1, top_k=20, top_p=0.9, seed=11)
    alone, beside = Draw(sampling, [0]), Draw(sampling, [0])
    others = [Draw(Sampling(temperature=t, top_k=k, seed=9), [0]) for t, k in ((0, 40), (1.5, 0), (0.7, 7))]
    for logits in steps:
        one = pick(logits[None].clone(), [alone])[0]
        assert pick(torch.stack([-logits, logits, logits, logits * 2]), [others[0], beside, *others[1:]])[1] == one


def test_every_request_has_its_own_options() -> None:
    logits = torch.tensor([0.4, 0.3, 0.2, 0.1]).log().repeat(4, 1)
    draws = [Draw(s, [0]) for s in (GREEDY, Sampling(top_k=2, seed=1), Sampling(top_k=0, top_p=0.6, seed=1), PLAIN)]
    seen = [set[int]() for _ in draws]
    for _ in range(600):
        for tokens, token in zip(seen, pick(logits.clone(), draws), strict=True):
            tokens.add(token)
    assert seen == [{0}, {0, 1}, {0, 1}, {0, 1, 2, 3}]


def test_only_the_request_without_numbers_is_marked() -> None:
    logits = torch.randn((3, 10))
    logits[1, 4] = float("nan")
    tokens = pick(logits, [Draw(GREEDY, [0]), Draw(Sampling(seed=1), [0]), Draw(Sampling(seed=1), [0])])
    assert tokens[1] == NOT_A_NUMBER and tokens[0] >= 0 and tokens[2] >= 0


def test_a_short_prompt_has_no_runs_to_ban() -> None:
    draw = Draw(Sampling(temperature=0, no_repeat_ngram=3), [1])
    assert draw.banned() == []
    likes = torch.tensor([[3.0, 2.9, 2.8, 0.0, 0.0, 0.0, 0.0, 0.0]])
    picked = [1] + [pick(likes.clone(), [draw])[0] for _ in range(40)]
    runs = list(zip(picked, picked[1:], picked[2:], strict=False))
    assert len(set(runs)) == len(runs)


@pytest.mark.parametrize("size", [1, 2, 4, 5, 9])
def test_runs_longer_than_the_text_are_banned_like_in_generate(size: int) -> None:
    processor = NoRepeatNGramLogitsProcessor(size)
    for text in ([7], [7, 8, 7], [7, 8, 7, 8], [7, 7, 7, 7, 7, 7], [1, 2, 3, 4, 5, 1, 2, 3, 4]):
        for read in range(1, len(text) + 1):
            draw = Draw(Sampling(no_repeat_ngram=size), text[:read])
            for token in text[read:]:
                draw.take(token)
            scores = processor(torch.tensor([text]), torch.zeros(1, 20))
            assert sorted(set(draw.banned())) == scores[0].isinf().nonzero()[:, 0].tolist()


@pytest.mark.parametrize("top_k", [0, 40])
@pytest.mark.parametrize(
    "sampling",
    [
        *(Sampling(temperature=temperature) for temperature in (1e-9, 1e-30, 1e-40, 1e-46, 5e-324)),
        *(Sampling(temperature=1, top_p=top_p) for top_p in (1e-20, 1e-40, 1e-46, 5e-324)),
    ],
)
def test_options_too_small_for_the_numbers_of_a_gpu_take_the_likeliest_token(sampling: Sampling, top_k: int) -> None:
    logits = torch.randn((1, 600), generator=torch.Generator().manual_seed(4)) * 30
    logits[0, 3] = -torch.inf
    for seed in range(20):
        draw = Draw(dataclasses.replace(sampling, top_k=top_k, seed=seed), [0])
        assert pick(logits.clone(), [draw]) == [int(logits.argmax())]


def test_a_tie_stays_one_however_cold_it_is() -> None:
    logits = torch.tensor([[1.0, 2.0, 2.0]])
    picked = {pick(logits.clone(), [Draw(Sampling(temperature=1e-40, seed=seed), [0])])[0] for seed in range(30)}
    assert picked == {1, 2}


def test_random_options_never_fail() -> None:
    chance = random.Random(3)
    for _ in range(200):
        size = chance.choice([1, 2, 7, 300])
        draws = [
            Draw(
                Sampling(
                    temperature=chance.choice([0, 0.01, 1, 5]),
                    top_k=chance.choice([0, 1, 40, 10_000]),
                    top_p=chance.choice([0.001, 0.5, 1]),
                    repetition_penalty=chance.choice([0.5, 1, 2]),
                    seed=chance.randrange(100),
                ),
                [0],
            )
            for _ in range(chance.randrange(1, 9))
        ]
        tokens = pick(torch.randn((len(draws), size)) * 50, draws)
        assert all(0 <= token < size for token in tokens)
