"""Songs and tales that add a little to much that was there before: traditional ones, in the public domain."""

from __future__ import annotations

_ORDINAL_WORDS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_GIFT_WORDS = (
    "a partridge in a pear tree|two turtle doves|three French hens|four calling birds|five gold rings|"
    "six geese a-laying|seven swans a-swimming|eight maids a-milking|nine ladies dancing|ten lords a-leaping|"
    "eleven pipers piping|twelve drummers drumming"
)
_ANIMALS = (("cow", "moo"), ("pig", "oink"), ("duck", "quack"), ("horse", "neigh"), ("lamb", "baa"), ("hen", "cluck"))
_ANIMAL_WORDS = "fly spider bird cat dog goat cow"
_NUMBER_WORDS = "one two three four five six seven eight nine ten"
_ORDINALS, _SWALLOWED, _COUNTED = (words.split() for words in (_ORDINAL_WORDS, _ANIMAL_WORDS, _NUMBER_WORDS))
_GIFTS = _GIFT_WORDS.split("|")


def _christmas() -> str:
    verses = []
    for day, ordinal in enumerate(_ORDINALS):
        gifts = ", ".join(reversed(_GIFTS[1 : day + 1])) + (" and " if day else "") + _GIFTS[0]
        verses.append(f"On the {ordinal} day of Christmas my true love sent to me {gifts}.")
    return "\n\n".join(verses)


def _farm() -> str:
    return "\n\n".join(
        f"Old MacDonald had a farm, E-I-E-I-O, and on that farm he had a {animal}, E-I-E-I-O, with a {says}-{says} "
        f"here, and a {says}-{says} there, here a {says}, there a {says}, everywhere a {says}-{says}. "
        "Old MacDonald had a farm, E-I-E-I-O."
        for animal, says in _ANIMALS
    )


def _swallowed() -> str:
    verses = []
    for last, animal in enumerate(_SWALLOWED):
        chain = " ".join(
            f"She swallowed the {_SWALLOWED[n]} to catch the {_SWALLOWED[n - 1]}." for n in range(last, 0, -1)
        )
        verses.append(
            f"There was an old lady who swallowed a {animal}. {chain} I don't know why she swallowed the fly. "
            "Perhaps she'll die."
        )
    return "\n\n".join(verses)


SONGS: dict[str, str] = {
    "bottles of beer": "".join(
        f"{n} bottles of beer on the wall, {n} bottles of beer. Take one down and pass it around, {n - 1} bottles of "
        "beer on the wall.\n"
        for n in range(99, 60, -1)
    ),
    "green bottles in words": "".join(
        f"{more.capitalize()} green bottles hanging on the wall, {more} green bottles hanging on the wall, and if one "
        f"green bottle should accidentally fall, there'll be {less} green bottles hanging on the wall.\n"
        for more, less in zip(_COUNTED[:0:-1], _COUNTED[-2::-1], strict=True)
    ),
    "the twelve days of Christmas": _christmas(),
    "Old MacDonald": _farm(),
    "the old lady who swallowed a fly": _swallowed(),
    "a round": "Row, row, row your boat, gently down the stream. Merrily, merrily, merrily, life is but a dream.\n" * 3,
    "a chorus": "Na na na na na na na, na na na na, hey, hey, goodbye. " * 5,
    "ten in the bed": "".join(
        f"There were {n} in the bed and the little one said: Roll over, roll over! So they all rolled over and one "
        "fell out.\n"
        for n in reversed(_COUNTED)
    ),
    "a Chinese counting song": "".join(f"{n}只青蛙{n}张嘴，{2 * n}只眼睛{4 * n}条腿。" for n in range(1, 20)),
    "two tigers": "两只老虎，两只老虎，跑得快，跑得快。一只没有耳朵，一只没有尾巴，真奇怪，真奇怪。\n" * 2,
}
