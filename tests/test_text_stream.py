"""Tokens become whole characters, and stop strings never reach the page."""

from __future__ import annotations

import random
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from chat.formats import FORMATS
from chat.text_stream import Detokenizer, StopFilter, TextStream
from tests.tiny_model import shared_tiny_model

EMOJI = [
    "😀",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "\U0001f1eb\U0001f1f7",
    "👍🏽",
    "❤️",
    "🏴‍☠️",
    "\u200d",
    "\ufe0f",
]
"""Faces, families, flags, skin tones, and joiners alone."""
CJK = [*"好的中文，。「」の한글한ァ龘", "\U00020000", "\U0002a6d6", "\u3099", "\u1100\u1161"]
"""Also characters of four bytes, and kana and hangul in parts."""
MARKS = [
    "e\u0301",
    "a\u0323\u0302",
    "\u0301",
    "\u0e01\u0e33",
    "\u0928\u093f",
    "\u05e9\u05c1",
    "Z\u0351\u036b\u0343",
    "ñ",
    "ß",
    "Ω",
]
"""Accents joined, apart, stacked and alone; Thai, Devanagari and Hebrew signs."""
CODE = [
    *"{}[]()<>=;:\"'`\\|&#@$%^~\t\n",
    "  ",
    "\n    ",
    "->",
    "!=",
    "def f(x):",
    "```",
    "\r\n",
    "<|",
    "\x00",
    "\x7f",
    "\U0001d6fc",
]
WORDS = [*"abc xyz.,", " the", " water", "river ", "123", "я", "\u00a0", "\u2028", "\ufeff"]
ALPHABETS = {"emoji": EMOJI, "CJK": CJK, "marks": MARKS, "code": CODE, "all": [*EMOJI, *CJK, *MARKS, *CODE, *WORDS]}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True))


@pytest.fixture(scope="module")
def metaspace_tokenizer() -> Any:
    """One built like Llama 2's: words begin with ▁, other characters are spelt in bytes, the first space falls out."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += ["▁", *"abcxyz.,<>", "▁a", "bc", "▁abc"]
    backend = Tokenizer(
        models.BPE(
            vocab={piece: number for number, piece in enumerate(pieces)},
            merges=[("▁", "a"), ("b", "c"), ("▁a", "bc")],
            unk_token="<unk>",
            byte_fallback=True,
            fuse_unk=True,
        )
    )
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def in_bytes(tokenizer: Any, text: str) -> list[int]:
    """`text` with one token for every byte, the hardest way to write it."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = bytes_to_unicode()
    return [tokenizer.convert_tokens_to_ids(letters[byte]) for byte in text.encode()]


def stream(stream: TextStream | Detokenizer, ids: list[int]) -> list[str]:
    return [*(stream.push(token) for token in ids), stream.finish()]


def random_text(chance: random.Random, alphabet: str = "all") -> str:
    return "".join(chance.choices([*ALPHABETS[alphabet], *WORDS], k=chance.randrange(1, 40)))


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_streaming_is_exact_to_the_byte(tokenizer: Any, alphabet: str) -> None:
    """Of 300 random texts each: 1,500 in all, every one written with a token for each byte and as it is encoded."""
    chance = random.Random(1)
    for _ in range(300):
        text = random_text(chance, alphabet)
        # The tokenizer composes accents before it encodes; what is streamed is what was encoded.
        for ids, wanted in (
            (in_bytes(tokenizer, text), text),
            (tokenizer.encode(text, add_special_tokens=False), unicodedata.normalize("NFC", text)),
        ):
            pieces = stream(TextStream(tokenizer), ids)
            assert "".join(pieces).encode() == wanted.encode()
            assert not any("\ufffd" in piece for piece in pieces)


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_streaming_is_exact_for_a_metaspace_tokenizer(metaspace_tokenizer: Any, alphabet: str) -> None:
    chance = random.Random(2)
    for _ in range(250):
        text = "abc " + random_text(chance, alphabet)
        ids = metaspace_tokenizer.encode(text, add_special_tokens=False)
        pieces = stream(TextStream(metaspace_tokenizer), ids)
        assert "".join(pieces).encode() == text.encode()
        assert not any("\ufffd" in piece for piece in pieces)


def test_a_character_comes_whole_with_its_last_token(tokenizer: Any) -> None:
    ids = in_bytes(tokenizer, "😀")
    assert len(ids) == 4
    assert stream(Detokenizer(tokenizer), ids) == ["", "", "", "😀", ""]


def test_half_a_character_at_the_end_is_dropped(tokenizer: Any) -> None:
    assert "".join(stream(Detokenizer(tokenizer), in_bytes(tokenizer, "ok 😀")[:-1])) == "ok "


def test_a_real_replacement_character_is_kept(tokenizer: Any) -> None:
    for text in ("a\ufffdb", "a\ufffd", "\ufffd\ufffd"):
        assert "".join(stream(Detokenizer(tokenizer), tokenizer.encode(text, add_special_tokens=False))) == text


def test_bytes_that_are_no_text_hold_nothing_back_for_long(tokenizer: Any) -> None:
    bad = in_bytes(tokenizer, "é")[1:] * 40
    pieces = stream(Detokenizer(tokenizer), [*bad, *in_bytes(tokenizer, "ok")])
    assert "".join(pieces) == tokenizer.decode([*bad, *in_bytes(tokenizer, "ok")])
    assert any("".join(pieces[:10]))


def test_decoding_stays_bounded(tokenizer: Any) -> None:
    longest = 0

    class Watched:
        def decode(self, ids: list[int], **options: Any) -> str:
            nonlocal longest
            longest = max(longest, len(ids))
            return str(tokenizer.decode(ids, **options))

        encode = tokenizer.encode

    stream(Detokenizer(Watched()), in_bytes(tokenizer, "好的 text 😀 " * 60))
    assert longest <= 32


def test_special_tokens_are_not_shown(tokenizer: Any) -> None:
    ids = [*tokenizer.encode("a b", add_special_tokens=False), tokenizer.convert_tokens_to_ids("<|im_start|>")]
    assert "".join(stream(TextStream(tokenizer), ids)) == "a b"


@pytest.mark.parametrize("seed", range(20))
def test_a_stop_string_never_leaks_however_it_is_split(seed: int) -> None:
    chance = random.Random(seed)
    before = "".join(chance.choices("<hum an\n", k=12)).replace("<human>", "")
    text = f"{before}\n<human>: and more <human>"
    wanted = text[: text.index("\n<human>")]
    filter_, shown = StopFilter(("\n<human>", "<human>")), ""
    while text:
        size = chance.randrange(1, 5)
        shown += filter_.push(text[:size])
        assert wanted.startswith(shown)
        text = text[size:]
    assert shown + filter_.finish() == wanted
    assert filter_.stopped


def test_the_beginning_of_a_stop_string_is_shown_once_it_is_none() -> None:
    filter_ = StopFilter(("<human>",))
    assert [filter_.push(piece) for piece in ("a <", "hum", "ble", ">")] == ["a ", "", "<humble", ">"]
    assert filter_.push("<huma") == ""
    assert filter_.finish() == "<huma"
    assert not filter_.stopped


STOPS = {name: format.stop for name, format in FORMATS.items() if format.stop}


def pieces_of(chance: random.Random, text: str) -> list[str]:
    """`text` split at random."""
    ends = sorted({*chance.sample(range(len(text) + 1), k=min(len(text), chance.randrange(6))), len(text)})
    return [text[start:end] for start, end in pairwise((0, *ends))]


def shown(stop: tuple[str, ...], pieces: list[str], *, cut: bool = False, begun: str = "") -> str:
    filter_ = StopFilter(stop, begun)
    return "".join(map(filter_.push, pieces)) + filter_.finish(cut)


@pytest.mark.parametrize("format", sorted(STOPS))
@pytest.mark.parametrize("seed", range(10))
def test_a_cut_shows_nothing_of_a_stop_string_and_loses_nothing_else(format: str, seed: int) -> None:
    chance, stop = random.Random(seed), STOPS[format]
    parts = [*"<hub\n:>aU ", *stop, *(tag[:n] for tag in stop for n in range(1, len(tag)))]

    def written() -> str:
        return "".join(chance.choices(parts, k=chance.randrange(1, 9)))

    for _ in range(200):
        before, after = written(), written()
        begun = shown(stop, pieces_of(chance, before), cut=True)
        whole = until_stop(stop, before)
        assert whole.startswith(begun)
        if whole == before:  # no stop string came, so the beginning of one is all that is missing
            assert any(tag.startswith(before[len(begun) :]) for tag in stop)
            assert not possible_stop(stop, before, len(begun))
        # The model that goes on from what was shown writes the same, or anything else.
        assert begun + shown(stop, pieces_of(chance, before[len(begun) :] + after), begun=begun) == until_stop(
            stop, before + after
        )
        elsewhere = begun + shown(stop, pieces_of(chance, after), begun=begun)
        assert elsewhere == max(begun, until_stop(stop, begun + after), key=len)
        assert not any(tag in elsewhere for tag in stop)


def until_stop(stop: tuple[str, ...], text: str) -> str:
    return text[: min((at for at in map(text.find, stop) if at >= 0), default=len(text))]


def possible_stop(stop: tuple[str, ...], text: str, end: int) -> bool:
    """Whether a stop string may begin before `end` and go on behind the end of `text`."""
    return any(tag.startswith(text[start:]) for tag in stop for start in range(end))


def test_the_lead_is_dropped_once(tokenizer: Any) -> None:
    ids = tokenizer.encode("  two spaces", add_special_tokens=False)
    assert "".join(stream(TextStream(tokenizer, lead=" "), ids)) == " two spaces"


def test_the_model_is_shared_by_the_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    base: Path = tmp_path_factory.getbasetemp()
    assert shared_tiny_model(base, chat_template=True) == shared_tiny_model(base, chat_template=True)
