"""Analysis and language: python -m pytest tests/test_text.py"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from retrieval.text import analyse, fold_accents, language, stemmed_alike


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Running", "runs"),
        ("ＦＵＬＬ　ｗｉｄｔｈ", "full width"),
        ("café", "cafe\u0301"),
        ("Café", "cafe"),
        ("the President’s plan", "the president's plans"),
        ("U.S.", "US"),
        ("10,570 people", "10570 people"),
        ("STRASSE", "straße"),
        ("ﾃｽﾄ", "テスト"),
        ("flat tyres", "flat tire"),
        ("Colour theatre", "color theater"),
        ("長城", "长城"),
        ("青黴素", "青霉素"),
        ("紅樓夢的作者", "红楼梦的作者"),
        ("月亮", "月球"),
        ("珠峰", "珠穆朗玛峰"),
        ("病逝", "去世"),
    ],
)
def test_a_word_meets_itself_in_every_spelling(one: str, other: str) -> None:
    assert analyse(one) == analyse(other) != []


def test_words_without_topic_are_left_out_of_questions_only() -> None:
    assert analyse("What is the capital of France?") == ["capit", "franc"]
    assert "the" in analyse("the capital", stopwords=True)
    assert analyse("the who") == ["the", "who"]


def test_contractions_leave_no_letters_behind() -> None:
    assert analyse("I'm ill, who couldn't come?") == ["ill", "come"]
    assert analyse("whats the tallest mountain") == ["tallest", "mountain"]


def test_no_pair_straddles_a_particle_or_a_question_word() -> None:
    assert analyse("谁写了茶经") == ["写", "茶", "经", "茶经"]
    assert analyse("兵马俑有多少个") == ["兵", "马", "俑", "兵马", "马俑"]
    assert analyse("北京有多少人？") == analyse("北京的人口")
    assert "写了" in analyse("谁写了茶经", stopwords=True)


def test_decimals_and_lists_are_not_thousands() -> None:
    assert analyse("in 1990, 2000 and 1,2") == ["1990", "2000", "1", "2"]


def test_chinese_becomes_characters_and_pairs() -> None:
    assert analyse("黑豹队") == ["黑", "豹", "队", "黑豹", "豹队"]
    assert analyse("什么") == analyse("什么", stopwords=True)
    assert "的" not in analyse("黑豹的防守")
    assert "的" in analyse("黑豹的防守", stopwords=True)
    assert analyse("长城有多长？") == ["长", "城", "长城"]  # how long it is asked, not what
    assert analyse("多少") == analyse("多少", stopwords=True) != []


def test_scripts_side_by_side_stay_apart() -> None:
    assert analyse("NFL的球队2016年") == ["nfl", "球", "队", "球队", "2016", "年"]
    assert analyse("カタカナ") == ["カタ", "タカ", "カナ"]
    assert analyse("한국의 수도") == ["한국", "국의", "수도"]
    assert analyse("हिन्दी भाषा") == analyse("हिन्दी भाषा", "hi")


def test_stemming_follows_the_language() -> None:
    assert analyse("écoles", "fr") == analyse("école", "fr")
    assert analyse("Häuser", "de") == analyse("Haus", "de")
    assert analyse("войны", "ru") == analyse("война", "ru")
    assert stemmed_alike("zh") == stemmed_alike("en") == stemmed_alike("")


@pytest.mark.parametrize("text", ["", " \n", "😀🎉", "?!—…", "\x00\x1f"])
def test_text_without_words_has_no_terms(text: str) -> None:
    assert analyse(text) == []


def test_a_very_long_word_is_cut() -> None:
    assert [len(term) for term in analyse("a" * 1_000_000)] == [64]


def test_threads_do_not_disturb_each_other() -> None:
    words = [f"running{i} houses{i} cities{i}" for i in range(200)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(analyse, words * 5)) == [analyse(word) for word in words] * 5


def test_accents_of_other_scripts_are_spelling() -> None:
    assert fold_accents("ærøskøbing łódź ελλάδα") == "aeroskobing lodz ελλαδα"
    assert fold_accents("й が हिन्दी") == "й が हिन्दी"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("What is the capital?", "en"),
        ("and where was he born?", "en"),
        ("Who was Frédéric Chopin?", "en"),
        ("NFL", "en"),
        ("", "en"),
        ("123 😀", "en"),
        ("Wer schrieb Faust?", "de"),
        ("Où est né Napoléon ?", "fr"),
        ("¿Quién escribió Don Quijote?", "es"),
        ("Dove si trova Roma?", "it"),
        ("Quando nasceu Camões?", "pt"),
        ("Кто написал «Войну и мир»?", "ru"),
        ("中国的首都在哪里？", "zh"),
        ("陸特和漢斯雷頓開創了哪一地區？", "zh"),
        ("什么是Docker", "zh"),
        ("Who is 张三?", "en"),
        ("日本の首都はどこですか", "ja"),
        ("한국의 수도는?", "ko"),
        ("ما هي عاصمة مصر؟", "ar"),
        ("Ποια είναι η πρωτεύουσα;", "el"),
    ],
)
def test_language_of_short_questions(text: str, code: str) -> None:
    assert language(text) == code


@pytest.mark.parametrize(
    ("word", "inflected"), [("المنارة", "منارة"), ("маяки", "маяка"), ("φάρος", "φάρο"), ("lighthouses", "lighthouse")]
)
def test_a_word_is_stemmed_by_its_own_script_whatever_language_surrounds_it(word: str, inflected: str) -> None:
    terms = {tuple(analyse(each, code)) for each in (word, inflected) for code in ("en", "ar", "ru", "el", "zh", "hi")}
    assert len(terms) == 1
