"""Tables of texts: how wide they are, and which columns give way."""

from collections import Counter

from rich.console import Console

from tune.results.grid import GAP, Column, Grid, Row, narrowed, printed_notes

ROWS = [{"number": number} for number in range(12)]


def columns(count: int, calls: Counter[str] | None = None) -> list[Column]:
    def column(place: int) -> Column:
        name = f"c{place}"

        def cell(row: Row) -> str:
            if calls is not None:
                calls[name] += 1
            return f"{row['number']}" * (place + 1)

        return Column(name, cell, None if place == 0 else place, name)

    return [column(place) for place in range(count)]


def test_a_table_is_as_wide_as_its_columns_and_the_gaps_between_them() -> None:
    grid = Grid(columns(4), ROWS)
    assert grid.widths == [2, 4, 6, 8]
    width = sum(grid.widths) + 3 * GAP
    assert max(map(len, grid.printed(Console(width=width)).splitlines())) == width
    assert narrowed([grid], Console(width=width))[1] == []
    assert narrowed([grid], Console(width=width - 1))[1] == ["c1"]


def test_wide_characters_count_double() -> None:
    assert Grid([Column("a", lambda row: "模型", None, "a")], ROWS).widths == [4]


def test_the_least_important_columns_go_in_all_tables_alike() -> None:
    short, long = Grid(columns(4), ROWS[:1]), Grid(columns(4), ROWS)
    shown, left_out = narrowed([short, long], Console(width=13))
    assert left_out == ["c1", "c2"]
    assert [[column.name for column in grid.columns] for grid in shown] == [["c0", "c3"]] * 2
    assert [list(grid.rows) for grid in shown] == [ROWS[:1], ROWS]
    assert narrowed([long], Console(width=1))[1] == ["c1", "c2", "c3"], "what must be shown stays"
    assert narrowed([], Console(width=80)) == ([], [])


def test_cells_are_measured_once_however_many_columns_go() -> None:
    calls: Counter[str] = Counter()
    _, left_out = narrowed([Grid(columns(9, calls), ROWS)], Console(width=10))
    assert len(left_out) >= 7
    assert set(calls.values()) == {len(ROWS)}


def test_texts_from_elsewhere_act_on_neither_terminal_nor_markdown() -> None:
    reason = Column("reason", lambda row: "\x1b[31m<b>a|b</b>\n[bold]x[/bold]", None, "reason", numeric=False)
    grid = Grid([reason], ROWS[:1])
    assert grid.printed(Console(width=80)).splitlines()[-1] == "\\x1b[31m<b>a|b</b> [bold]x[/bold]"
    assert grid.markdown().splitlines()[-1] == "| \\\\x1b[31m\\<b\\>a\\|b\\</b\\> [bold]x[/bold] |"
    assert printed_notes(["\x1b[31mnote"], Console(width=80)) == "\\x1b[31mnote"
