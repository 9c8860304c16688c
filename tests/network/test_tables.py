"""Records that show themselves as tables."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from convnet_features.network.tables import RecordTable, ShownText, text_table


class Fruit(NamedTuple):
    name: str
    n: int
    note: str


class Basket(RecordTable[Fruit]):
    HEAD = ("fruit", "number", "note")
    NUMBERS = (1,)
    FIELDS = Fruit._fields

    def cells(self, record):
        return (record.name, str(record.n), record.note)


BASKET = Basket([Fruit("pear", 3, "<ripe>"), Fruit("fig", 12, "a long note about figs")])


def test_text():
    expected = [
        "fruit  number  note",
        "-----  ------  ----",
        "pear        3  <ripe>",
        "fig        12  a long note about figs",
    ]
    assert str(BASKET).splitlines() == expected
    assert repr(BASKET) == str(BASKET)


def test_html_is_escaped():
    assert "<td>&lt;ripe&gt;</td>" in BASKET._repr_html_()
    assert BASKET._repr_html_().startswith("<table><thead><tr><th>fruit</th>")


def test_frame():
    pytest.importorskip("pandas")
    frame = BASKET.to_frame()
    assert list(frame) == ["name", "n", "note"]
    assert frame["n"].tolist() == [3, 12]


def test_an_empty_table_has_its_head():
    assert str(Basket()) == "fruit  number  note\n-----  ------  ----"


def test_numbers_in_the_last_column_stand_on_the_right():
    assert text_table(("a", "b"), [("x", "10"), ("y", "9")], {1}) == [
        "a   b",
        "-  --",
        "x  10",
        "y   9",
    ]


def test_text_shows_itself_line_by_line():
    assert repr(ShownText("a\nb")) == "a\nb"
