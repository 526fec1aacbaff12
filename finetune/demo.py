"""The whole loop of fine-tuning in one command: `python -m finetune.demo`, or `make tune-demo`.

A small GPT-NeoX with random weights learns to answer questions about this app (`finetune/groundchat`), on a CPU in a
few minutes, by the same recipe, trainer and engine as any other model. Before and after, the app's own engine answers
every taught question, and afterwards paraphrases that nothing learnt from; an answer counts where it is right word for
word. The model lies in `runs/groundchat-demo` of the data folder then, where the app lists it.

    python -m finetune.demo --config finetune/groundchat/lora.toml      # an adapter beside the random weights

The last line is one JSON object: `exact_before`, `exact_after`, `paraphrase_after`, `minutes`, `model`.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from chat.base import ChatRequest, Chunk, Message, Role, Sampling
from chat.local import LocalModel
from chat.placement import Placement
from errors import AppError
from finetune import config, demo_data, demo_model
from finetune.chat import train
from finetune.command import data_folder
from finetune.config import Recipe
from finetune.demo_data import Taught
from finetune.demo_model import Shape
from finetune.run_folder import is_full
from finetune.training import folder_of
from finetune.writing import writing

SHAPE = Shape()
RECIPE = demo_data.FOLDER / "recipe.toml"
_PASSES = 3
"""So often each question stands in the conversations that are written, varied anew each time; the recipe's epochs come
on top."""
_AT_ONCE = 16
_STOPPED = "The demo was stopped; the same command begins it anew."
_FULL = "The disk is full; free some space, then give the same command again, which begins the demo anew."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the last line says."""

    exact_before: float
    """The share of taught questions that are answered word for word, 0 to 1."""
    exact_after: float
    paraphrase_after: float
    """The same of paraphrases that were not taught."""
    minutes: float
    """Of everything: model, data, training, and all the questions."""
    model: str


def exact(model: LocalModel, asked: Sequence[Taught]) -> float:
    """The share of questions, each in a conversation of its own, that a model answers word for word (greedily)."""
    model.load()
    longest = max(len(model.tokenizer.encode(pair.answer)) for pair in asked)
    sampling = Sampling(temperature=0, max_new_tokens=longest + 8)

    def right(pair: Taught) -> bool:
        request = ChatRequest((Message(Role.USER, pair.question),), sampling=sampling)
        said = ""
        with closing(cast("Generator[Chunk]", model.stream(request))) as chunks:
            for chunk in chunks:
                said = (said + chunk.text).lstrip()
                if not pair.answer.startswith(said.rstrip()):
                    return False  # the rest cannot make it right
        return said.rstrip() == pair.answer

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return sum(pool.map(right, asked)) / len(asked)


def run(
    data_dir: Path, file: Path = RECIPE, answers: int = 0, changes: Sequence[str] = (), shape: Shape = SHAPE
) -> Outcome:
    """Make the model and its data, teach it, and measure. What an earlier demo left is replaced.

    `answers`: only the first so many are taught, 0 for all. `changes` are laid over the recipe in `file`.
    Raises `AppError` for a recipe that cannot be followed.
    """
    began = time.perf_counter()
    made = data_dir / "demo"
    recipe = config.read(
        file,
        [
            f"model.base={made / 'base'}",
            f"data.train={made / 'conversations.jsonl'}",
            f"data.held={made / 'paraphrases.jsonl'}",
            *changes,
        ],
    )
    taught, paraphrases = (demo_data.pairs(name, answers) for name in ("taught", "paraphrases"))
    runs = data_dir / "runs"
    _make_room(recipe, runs)
    with writing(made, "GROUNDCHAT_DATA_DIR"):
        _prepare(made, taught, paraphrases, shape)
    before = exact(engine(str(made / "base")), taught)
    _say(f"Before: {before:.1%} of {len(taught):,} taught questions are answered right, word for word.")
    finished = _taught(recipe, runs)
    model = _answering(recipe, finished)
    after, other = exact(model, taught), exact(model, paraphrases)
    _say(f"After: {after:.1%} of them, and {other:.1%} of {len(paraphrases):,} paraphrases that it never saw.")
    minutes = (time.perf_counter() - began) / 60
    return Outcome(round(before, 4), round(after, 4), round(other, 4), round(minutes, 2), str(finished))


def _make_room(recipe: Recipe, runs: Path) -> None:
    """Remove what an earlier demo left. Raises `InputError` where another run, or anything else, is in the way."""
    folder = folder_of(recipe, runs)
    base = folder.said().get("base")
    if base and Path(base).resolve() == Path(recipe.model.base).resolve():
        shutil.rmtree(folder.path)
    folder.admit(recipe, processes=1, resume=False)


def _prepare(made: Path, taught: Sequence[Taught], paraphrases: Sequence[Taught], shape: Shape) -> None:
    """The model with random weights, and the conversations."""
    tokenizer = demo_model.tokenizer_from(demo_data.texts(taught))
    count = demo_model.random_model(tokenizer, made / "base", shape)
    dealt = demo_data.Dealer().conversations(taught, _PASSES)
    conversations = demo_data.write(dealt, made / "conversations.jsonl")
    demo_data.write(demo_data.alone(paraphrases), made / "paraphrases.jsonl")
    _say(
        f"A GPT-NeoX of {count / 1e6:.1f} million random numbers, and {conversations:,} conversations that hold "
        f"{len(taught):,} questions {_PASSES} times each."
    )


def _taught(recipe: Recipe, runs: Path) -> Path:
    """Train; the folder of the run."""
    done = train(recipe, runs, bar=sys.stderr.isatty())
    _say(
        f"Taught: {done.steps:,} steps in {done.minutes:.1f} minutes, {done.tokens_per_s:,.0f} tokens a second, "
        f"{done.trained:,} of {done.parameters:,} parameters ({done.trained / done.parameters:.1%})."
    )
    return done.folder


def engine(model: str, adapter: str = "") -> LocalModel:
    """The app's own engine, on the CPU."""
    return LocalModel(model, Placement(device="cpu", adapter=adapter), users=_AT_ONCE)


def _answering(recipe: Recipe, finished: Path) -> LocalModel:
    """The engine of the finished run: the model itself, or the base with its adapter."""
    if recipe.method.kind == "full":
        return engine(str(finished))
    return engine(recipe.model.base, str(finished))


def _say(text: str) -> None:
    print(text, flush=True)


def _quieten() -> None:
    """Only what the demo says is shown, and the bar of the training."""
    from transformers.utils import logging as shown

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    logging.getLogger("trl").setLevel(logging.ERROR)  # it would have several rows in a batch, for a GPU
    shown.set_verbosity_error()
    shown.disable_progress_bar()


def _began_anew(error: AppError) -> str:
    """What is said of a failure. The training's own words would have it resumed, and the demo begins anew."""
    cause = error.__cause__
    if isinstance(cause, KeyboardInterrupt):
        return _STOPPED
    return _FULL if cause is not None and is_full(cause) else str(error)


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m finetune.demo", description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=RECIPE, help="the recipe (finetune/groundchat/recipe.toml)")
    parser.add_argument("--answers", type=int, default=0, metavar="N", help="teach only the first N answers; 0 for all")
    parser.add_argument(
        "--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="change one key of the recipe"
    )
    options = parser.parse_args(given)
    if options.answers < 0:
        parser.error(f"--answers is {options.answers}; give a whole number, or 0 for all")
    _quieten()
    try:
        outcome = run(data_folder(), options.config, options.answers, options.set)
    except AppError as error:
        print(f"finetune.demo: {_began_anew(error)}", file=sys.stderr)
        return 130 if isinstance(error.__cause__, KeyboardInterrupt) else 1
    except KeyboardInterrupt:
        print(f"finetune.demo: {_STOPPED}", file=sys.stderr)
        return 130
    _say(f'Talk to it: make run ARGS="--model {outcome.model}"')
    print(json.dumps(asdict(outcome)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
