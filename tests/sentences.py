"""What every refusal must be: one sentence, in English and in Chinese."""

from __future__ import annotations

import re

from errors import AppError


def one_sentence(error: AppError) -> bool:
    english, chinese = str(error), error.told("zh")
    return (
        re.fullmatch(r"[^\n]+\.", english) is not None
        and ". " not in english
        and re.fullmatch(r"[^\n]*[\u4e00-\u9fff][^\n]*。", chinese) is not None
        and "。" not in chinese[:-1]
    )
