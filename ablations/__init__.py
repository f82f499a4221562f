"""Ablations: fixed designs run on the engine of `tune`, and their figures.

    python -m ablations training-size DATA --out DIR
    python -m ablations all DATA --out DIR

A design is a list of cells, each one method trained on one split with one seed. Cells that share work train together,
under Ray; what is finished is kept, so that the same command, run again, continues after whatever ended it. A design's
tables are made of the cells' results, and its figures of the tables alone.

**A new ablation is two files.** `ablations/designs/<name>.py` holds the design, a frozen dataclass whose fields become
the options of a command of its own; :class:`ablations.design.Design` says what it offers. This one is complete: placed
there, it runs as `python -m ablations weight-decay DATA --out DIR --values 0,1e-5,1e-3`.

    from collections.abc import Mapping
    from dataclasses import dataclass, field
    from typing import TYPE_CHECKING, ClassVar

    from ablations.cell import Cell
    from ablations.config import AblationConfig
    from ablations.design import Drawing, Plan

    if TYPE_CHECKING:
        import pandas as pd

        from ablations.results import Results
        from embedllm.data.matrix import CorrectnessMatrix

    @dataclass(frozen=True)
    class WeightDecay:
        \"\"\"Validation and test log-loss against weight decay.\"\"\"

        name: ClassVar[str] = "weight-decay"
        title: ClassVar[str] = "How much weight decay?"

        values: list[float] = field(default_factory=lambda: [0.0, 1e-5, 1e-3])
        \"\"\"Values of Adam's L2 penalty.\"\"\"

        def plan(self, data: "CorrectnessMatrix", config: AblationConfig) -> Plan:
            cells = [
                Cell("embedllm", config.recipe(weight_decay=value, seed=seed), "base", {"decay": value})
                for value in self.values
                for seed in config.seed_values
            ]
            return Plan({"base": config.base_split(data)}, cells)

        def tables(
            self, results: "Results", data: "CorrectnessMatrix", config: AblationConfig
        ) -> "dict[str, pd.DataFrame]":
            rows = results.complete.query("side == 'test' and scope == 'overall'")
            table = rows.groupby("decay")["log_loss"].agg(["mean", "std", "count"]).reset_index()
            return {"log_loss": table}

        def draw(self, tables: "Mapping[str, pd.DataFrame]") -> list[Drawing]:
            from ablations.plots.weight_decay import draw_log_loss

            return [draw_log_loss(tables["log_loss"])]

        def findings(self, tables: "Mapping[str, pd.DataFrame]") -> list[str]:
            best = tables["log_loss"].sort_values("mean").iloc[0]
            return [f"The lowest test log-loss, {best['mean']:.4f}, is at weight decay {best['decay']:g}."]

        def caveats(self, tables: "Mapping[str, pd.DataFrame]") -> list[str]:
            return [f"One split of the questions; {tables['log_loss']['count'].min():.0f} seeds."]

And `ablations/plots/<name>.py`, its figure:

    import pandas as pd

    from ablations.design import Drawing
    from embedllm.figures import new_figure

    def draw_log_loss(table: pd.DataFrame) -> Drawing:
        figure, axes = new_figure("single")
        axes.errorbar(table["decay"], table["mean"], yerr=table["std"], marker="o", capsize=2)
        axes.set_xscale("symlog", linthresh=1e-6)
        axes.set(xlabel="weight decay", ylabel="test log-loss (nats)")
        return Drawing("log_loss", figure, table, "Test log-loss, mean ± sd over seeds.")

In Python, a design is run by :func:`ablations.runner.run_design`.

Imports `tune` and `embedllm`; nothing imports this package.
"""
