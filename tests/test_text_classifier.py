"""Text-classification models as moderators: small real ones, made here.

python -m pytest tests/test_text_classifier.py
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chat import weights
from errors import AppError, ModerationError
from moderation import catalogue
from moderation.base import Action, Exchange, Level
from moderation.catalogue import Catalogue
from moderation.policy_file import load_policy
from moderation.screen import Screen
from moderation.text_classifier import TextClassifier
from tests.facts import check_told
from tests.guards import make_guard
from tests.hub_server import serve_hub
from tests.tiny_model import _no_bars, _tokenizer, one_thread

KOALA = ("S", "H", "V", "HR", "SH", "S3", "H2", "V2", "OK")


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with one_thread():
        yield


def make(
    folder: Path, labels: tuple[str, ...], problem: str | None = None, taught: dict[str, str] | None = None
) -> Path:
    """A BERT with these labels; `taught` texts are classified by heart."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    tokenizer = _tokenizer(chat_template=False)
    with torch.random.fork_rng(devices=[]), _no_bars():
        torch.manual_seed(1)
        config = BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=66,
            id2label=dict(enumerate(labels)),
            label2id={label: n for n, label in enumerate(labels)},
            problem_type=problem,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        net = BertForSequenceClassification(config)
        optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
        for _ in range(60 if taught else 0):
            loss: Any = torch.stack(
                [
                    net(**tokenizer(text, return_tensors="pt", return_token_type_ids=False)).logits.log_softmax(-1)[
                        0, labels.index(label)
                    ]
                    for text, label in (taught or {}).items()
                ]
            )
            (-loss).mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        net.eval().save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


def _classifier(folder: Path, known: Catalogue | None = None) -> TextClassifier:
    classifier = TextClassifier(str(folder), weights.fetch, known or catalogue.load(), "cpu")
    classifier.load(lambda _: None)
    return classifier


def _logits(folder: Path, text: str) -> list[float]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    with _no_bars():
        net = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found: list[float] = net(**tokenizer(text, return_tensors="pt")).logits[0].tolist()
    return found


def _own(tmp_path: Path, text: str) -> Catalogue:
    path = tmp_path / "own.toml"
    path.write_text(
        '[[family]]\nstyle = "labels"\nlicence = "MIT"\nlimits = "Few."\nwindow = 100\nlevels = [0.1, 0.2, 0.3, 0.4]\n'
        f"{text}\n",
        encoding="utf-8",
    )
    return catalogue.load(path)


def test_labels_of_the_catalogue_share_one_probability(tmp_path: Path) -> None:
    folder = make(tmp_path / "Text-Moderation", KOALA)
    logits = _logits(folder, "Good morning")
    shares = {label: math.exp(x) / sum(map(math.exp, logits)) for label, x in zip(KOALA, logits, strict=True)}
    (verdict,) = _classifier(folder).check([Exchange("Good morning")])
    assert verdict.score == pytest.approx(1 - shares["OK"], abs=1e-4)
    found = dict(verdict.categories)
    assert found["hate"] == pytest.approx(shares["H"] + shares["H2"], abs=1e-4)
    assert found["sexual/minors"] == pytest.approx(shares["S3"], abs=1e-4)
    assert set(found) == {"sexual", "hate", "violence", "harassment", "self-harm", "sexual/minors"}


def test_labels_with_probabilities_of_their_own(tmp_path: Path) -> None:
    labels = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
    folder = make(tmp_path / "toxic-bert", labels)
    own = {label: 1 / (1 + math.exp(-x)) for label, x in zip(labels, _logits(folder, "Good morning"), strict=True)}
    (verdict,) = _classifier(folder).check([Exchange("Good morning")])
    assert verdict.score == pytest.approx(max(own.values()), abs=1e-4)
    assert dict(verdict.categories)["violence"] == pytest.approx(own["threat"], abs=1e-4)
    assert set(dict(verdict.categories)) == {"violence", "harassment", "hate"}


@pytest.mark.parametrize(
    ("labels", "problem", "several", "found"),
    [
        (("SAFE", "INJECTION"), None, False, {"prompt attack"}),
        (("Non-Toxic", "toxic"), None, False, set()),
        (("hate speech", "self-harm", "neutral"), "multi_label_classification", True, {"hate", "self-harm"}),
        (("hate", "insult"), None, True, {"hate", "harassment"}),
        (("nothate", "hate"), "single_label_classification", False, {"hate"}),
    ],
)
def test_labels_that_say_what_they_mean_are_understood(
    tmp_path: Path, labels: tuple[str, ...], problem: str | None, several: bool, found: set[str]
) -> None:
    folder = make(tmp_path / "unheard-of", labels, problem)
    (verdict,) = _classifier(folder).check([Exchange("Good morning")])
    assert {name for name, _ in verdict.categories} == found
    logits = _logits(folder, "Good morning")
    harmful = [n for n, label in enumerate(labels) if label.lower() not in ("safe", "non-toxic", "neutral", "nothate")]
    own = max(1 / (1 + math.exp(-logits[n])) for n in harmful)
    shared = sum(math.exp(logits[n]) for n in harmful) / sum(map(math.exp, logits))
    assert verdict.score == pytest.approx(own if several else shared, abs=1e-4)


@pytest.mark.parametrize("labels", [("LABEL_0", "LABEL_1"), ("safe", "spicy"), ("positive", "negative")])
def test_labels_that_do_not_are_named_in_a_sentence(tmp_path: Path, labels: tuple[str, ...]) -> None:
    folder = make(tmp_path / "unheard-of", labels)
    with pytest.raises(ModerationError) as raised:
        _classifier(folder)
    unknown = [label for label in labels if label != "safe"]
    check_told(raised.value, "unheard-of", "--moderator-catalogue", *unknown)
    assert "safe mean" not in str(raised.value)


def test_the_sentences_way_out_works(tmp_path: Path) -> None:
    folder = make(tmp_path / "unheard-of", ("LABEL_0", "LABEL_1"))
    known = _own(
        tmp_path,
        'models = [{ id = "unheard-of", parameters = 0.1 }]\nseveral = false\nlabels.LABEL_0 = "harmless"\n'
        'labels.LABEL_1 = "weapons"',
    )
    (verdict,) = _classifier(folder, known).check([Exchange("Good morning")])
    assert [name for name, _ in verdict.categories] == ["weapons"]
    assert verdict.level is Level(sum(verdict.score >= start for start in (0.1, 0.2, 0.3, 0.4)))


@pytest.mark.parametrize(
    "labels", ['labels.A = "hate"', 'labels.LABEL_0 = "harmless"\nlabels.LABEL_1 = "hate"\nlabels.LABEL_2 = "harm"']
)
def test_a_label_map_that_does_not_fit_is_told(tmp_path: Path, labels: str) -> None:
    folder = make(tmp_path / "unheard-of", ("LABEL_0", "LABEL_1"))
    known = _own(tmp_path, f'models = [{{ id = "unheard-of", parameters = 0.1 }}]\nseveral = false\n{labels}')
    with pytest.raises(ModerationError) as raised:
        _classifier(folder, known)
    check_told(raised.value, "unheard-of", "LABEL_0", "LABEL_1")


def test_a_model_all_of_whose_labels_are_harmless_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModerationError) as raised:
        _classifier(make(tmp_path / "kind", ("neutral", "benign")))
    check_told(raised.value, "kind", "neutral", "benign")


def test_a_long_text_is_judged_to_its_end(tmp_path: Path) -> None:
    folder = make(tmp_path / "unheard-of", ("safe", "hate"), taught={"river river": "safe", "bomb": "hate"})
    classifier = _classifier(folder)
    filler = "river " * 400
    calm, harm, hidden = classifier.check([Exchange(filler), Exchange("bomb"), Exchange(f"{filler} {'bomb ' * 40}")])
    assert calm.score < 0.5 < harm.score
    assert hidden.score > 0.5


def test_a_verdict_does_not_depend_on_the_texts_beside_it(tmp_path: Path) -> None:
    classifier = _classifier(make(tmp_path / "Text-Moderation", KOALA))
    texts = [Exchange("Good morning"), Exchange("river " * 300), Exchange(""), Exchange("水" * 90), Exchange("\ud800")]
    together = classifier.check(texts)
    assert [v.score for v in together] == pytest.approx([classifier.check([t])[0].score for t in texts], abs=1e-5)
    assert classifier.check([]) == []


def test_the_policy_acts_on_it(tmp_path: Path) -> None:
    folder = make(tmp_path / "unheard-of", ("safe", "hate"), taught={"Good morning": "safe", "bad words": "hate"})
    screen = Screen(_classifier(folder), load_policy())
    assert screen.check(Exchange("Good morning")).action is Action.ALLOW
    refused = screen.check(Exchange("bad words"))
    assert (refused.action, refused.category) == (Action.REFUSE, "hate")


def test_a_model_that_is_no_classifier_is_told(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    folder = tmp_path / "unheard-of"
    make_guard("Llama-Guard-3-1B", tmp_path / "made").rename(folder)
    with pytest.raises(ModerationError) as raised:
        _classifier(folder)
    check_told(raised.value, "unheard-of", "LlamaForCausalLM", "--moderator-catalogue")


def _without_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"{}")


def _without_tensors(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    kept = {name: tensor for name, tensor in load_file(folder / "model.safetensors").items() if "query" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def _without_sense(folder: Path) -> None:
    (folder / "config.json").write_text("{", encoding="utf-8")


def _of_no_known_kind(folder: Path) -> None:
    said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(said | {"model_type": "perceptron"}), encoding="utf-8")


@pytest.mark.parametrize("spoil", [_without_weights, _without_tensors, _without_sense, _of_no_known_kind])
def test_a_damaged_model_is_told(tmp_path: Path, spoil: Any) -> None:
    folder = make(tmp_path / "damaged", ("safe", "hate"))
    spoil(folder)
    with pytest.raises(ModerationError) as raised:
        _classifier(folder)
    check_told(raised.value, "damaged")


@pytest.mark.parametrize("name", ["owner/gone", "owner/gated", "owner/token", "owner/broken"])
def test_a_model_that_cannot_be_had_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with serve_hub(tmp_path, tmp_path, monkeypatch), pytest.raises(AppError) as raised:
        TextClassifier(name, weights.fetch, catalogue.load(), "cpu").load(lambda _: None)
    check_told(raised.value, name)


def test_it_comes_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(tmp_path / "made", ("safe", "hate"))
    with serve_hub(folder, tmp_path, monkeypatch):
        classifier = TextClassifier("owner/tiny", weights.fetch, catalogue.load(), "cpu")
        assert classifier.check([Exchange("Good morning")])[0].categories[0][0] == "hate"
        assert classifier.name == "owner/tiny"
