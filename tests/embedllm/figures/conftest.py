"""One small saved figure, with awkward caption and table."""

from pathlib import Path

import pandas as pd
import pytest

from embedllm.figures import SavedFigure, house_style, new_figure, save_figure


def draw(folder: Path, name: str = "accuracy", caption: str = "Accuracy & <b>size</b>, `val_accuracy`.") -> SavedFigure:
    table = pd.DataFrame({"model": ["a <i>", "b"], "accuracy": [0.1 + 0.2, float("nan")], "count": [12345, 7]})
    with house_style():
        figure, axes = new_figure()
        axes.plot([1, 2], [0.3, 0.4], "o-", label="accuracy")
        axes.imshow([[0.3, 0.4]], extent=(1, 2, 0.3, 0.4))
        axes.legend()
    return save_figure(figure, folder, name, table, caption=caption)


@pytest.fixture
def saved(tmp_path: Path) -> SavedFigure:
    return draw(tmp_path / "figures")
