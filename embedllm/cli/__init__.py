"""The command `embedllm`: data in, one fit, evaluation, routing."""

from collections.abc import Sequence

from embedllm.cli.program import Command, Program

PROGRAM = Program(
    name="embedllm",
    description="""\
Learns one compact vector per LLM from evaluation results: which model answered which question correctly. The vectors
predict how likely each model is to answer a new question correctly, and hence which model to ask.""",
    example="""
embedllm data simulate data --models 20 --questions 2000
embedllm fit data --out artifact --encoder lsa
embedllm route artifact "What is the derivative of x squared?"
""",
    commands={
        "data download": Command("embedllm.cli.data_download", "Download the public EmbedLLM data and import it."),
        "data import": Command("embedllm.cli.data_import", "Import evaluation results from files."),
        "data simulate": Command("embedllm.cli.data_simulate", "Simulate data with the shape of the paper's."),
        "data describe": Command(
            "embedllm.cli.data_describe", "Show what imported data holds: benchmarks, models, gaps."
        ),
        "encode": Command("embedllm.cli.encode", "Encode the questions and cache the result."),
        "fit": Command(
            "embedllm.cli.fit", "Train EmbedLLM, compare it with every baseline, and save it as an artifact."
        ),
        "evaluate": Command("embedllm.cli.evaluate", "Evaluate a saved artifact on data."),
        "route": Command("embedllm.cli.route", "Rank the models of an artifact for a question."),
    },
)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `embedllm`; returns the exit code."""
    return PROGRAM.main(argv)
