"""What each shipped recipe takes, as a table: `python -m finetune.recipe_table` writes it in docs/recipes.md."""

from __future__ import annotations

import sys
from pathlib import Path

import generated
from finetune.config import CONFIGS, read
from finetune.place import of_card
from finetune.plan import Plan, plan

PAGE = Path(__file__).parent.parent / "docs" / "recipes.md"
_BEGIN, _END = "<!-- table: python -m finetune.recipe_table -->\n", "<!-- end of table -->\n"
_HEAD = """\
| recipe | model | trained | rows × tokens at once | GB of each card | hours for 10 million tokens | GB on disk |
|---|---|--:|--:|--:|--:|--:|
"""
_TOKENS = 10_000_000


def recipes() -> list[Path]:
    """The shipped recipes that are meant for a card, smaller cards first."""
    named = [(read(path), path) for path in sorted(CONFIGS.glob("*.toml"))]
    cards = [(recipe, path) for recipe, path in named if recipe.card.memory_gb]
    return [
        path for _, path in sorted(cards, key=lambda pair: (pair[0].card.memory_gb * pair[0].card.devices, pair[1]))
    ]


def planned(path: Path) -> Plan:
    """A recipe's plan for the card it names. Raises `InputError` where it does not fit it."""
    recipe = read(path)
    return plan(recipe, place=of_card(recipe))


def row(made: Plan) -> str:
    recipe = made.recipe
    name = recipe.file.stem if recipe.file else ""
    hours = _TOKENS / made.tokens_per_step * made.seconds_per_step / 3600
    return (
        f"| {name} | {recipe.model.base.partition('/')[2]} | {made.trained / made.parameters:.2%} | "
        f"{recipe.training.batch} × {recipe.data.length:,} | {made.memory.total / 1e9:.1f} | {_hours(hours)} | "
        f"{made.disk.total / 1e9:,.1f} |\n"
    )


def _hours(count: float) -> str:
    """One decimal, or where that would say too little two digits."""
    return f"{count:.1f}" if count >= 1 else f"{count:.2g}"


def with_table(page: str) -> str:
    """`page` with the table between its markers worked out anew."""
    return generated.between(page, _BEGIN, _END, _HEAD + "".join(row(planned(path)) for path in recipes()))


def main() -> int:
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
