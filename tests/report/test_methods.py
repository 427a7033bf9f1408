"""Methods are called by one name each, in the order of their list."""

from __future__ import annotations

import pytest

from looking_glass.report.methods import BY_KEY, label, last_block, named, shown
from tests.helpers.report import method_rows


@pytest.mark.parametrize(
    ("key", "block", "name"),
    [
        ("attention", "1", "attention, first block"),
        ("attention", "2", "attention, block 2"),
        ("attention", "6", "attention, last block"),
        ("attention", "all", "attention, mean of all blocks"),
        ("direct", "all", "direct effect, all blocks"),
        ("rollout", "all", "attention rolled out over all blocks"),
        ("shuffled", "all", "words in a random order: chance"),
    ],
)
def test_a_method_is_called_by_its_name_and_its_block(key: str, block: str, name: str) -> None:
    assert label(key, block, 6) == name


def test_the_last_block_is_the_largest_number_not_the_last_text() -> None:
    assert last_block(method_rows(n_layer=12)) == 12


def test_a_figure_shows_first_last_and_all_in_the_order_of_the_list() -> None:
    table = method_rows(n_layer=4).sample(frac=1, random_state=1)
    rows = shown(table)
    assert rows["method"].unique().tolist() == list(BY_KEY)
    assert rows.loc[rows["method"] == "direct", "block"].tolist() == ["1", "4", "all"]
    assert rows["label"].is_unique
    assert rows["label"].tolist()[:3] == [
        "attention, first block",
        "attention, last block",
        "attention, mean of all blocks",
    ]
    assert rows["removed_size"].tolist() == table.loc[rows.index, "removed_size"].tolist()
    assert rows["block"].tolist() == table.loc[rows.index, "block"].tolist()


def test_a_model_of_one_block_has_each_of_its_rows_once() -> None:
    rows = shown(method_rows(n_layer=1))
    assert rows.loc[rows["method"] == "direct", "block"].tolist() == ["1", "all"]


def test_every_row_of_the_table_has_a_name_of_its_own_and_its_numbers() -> None:
    table = method_rows(n_layer=4)
    rows = named(table)
    assert len(rows) == len(table)
    assert len({row["label"] for row in rows}) == len(rows)
    assert [row["removed_size"] for row in rows] == table["removed_size"].tolist()


def test_interventions_alone_ask_the_model_again() -> None:
    again = {key for key, method in BY_KEY.items() if method.asks_again}
    assert again == {
        *("knock_out", "knock_out_all_blocks", "knock_out_every_row"),
        "replacement",
    }
