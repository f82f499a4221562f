"""The winner as an MLflow model: what it answers, what it carries, where it is registered."""

import contextlib
import json
import math
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.scoring_server import infer_and_parse_data, predictions_to_json
from mlflow.tracking import MlflowClient

import tune.tracking.runs  # noqa: F401  # before MLflow's first client: quiet, and fast databases
from embedllm.artifact import CONFIG_FILE, load_artifact, save_artifact
from embedllm.config import FitConfig
from embedllm.data import simulate
from embedllm.data.splits import random_split
from embedllm.encoders import encode_data
from embedllm.training import FitData, fit_many
from tune.tracking.registry import register
from tune.tracking.serving import (
    Candidate,
    pip_requirements,
    registered_name,
    save_mlflow_model,
    serve_command,
)

QUESTIONS = ["Who wrote Faust?", "Is 91 prime?", "Who wrote Faust?"]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small fit of two seeds."""
    data = simulate(models=5, questions=200, seed=1)
    split = random_split(data, seed=0)
    encodings = encode_data(data, "lsa:8", fit_on=split.train)
    fit = FitConfig(encoder="lsa:8", embedding_dim=4, epochs=2, batch_questions=32)
    results = fit_many([fit, fit.replace(seed=1)], FitData.build(data, split, encodings.matrix))
    folder = tmp_path_factory.mktemp("artifact") / "winner"
    metrics = {"val_log_loss": 0.5, "test_accuracy": 0.7, "test_roc_auc": math.nan}  # undefined where all are right
    return save_artifact(folder, results, encodings.encoder, data, split, metrics)


@pytest.fixture(scope="module")
def saved(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "model"
    save_mlflow_model(artifact, folder)
    return folder


@pytest.fixture(scope="module")
def model(saved: Path) -> Any:
    return mlflow.pyfunc.load_model(str(saved))


def with_metric(artifact: Path, folder: Path, **changes: Any) -> Path:
    """A copy of the artifact that claims something else."""
    shutil.copytree(artifact, folder)
    content = json.loads((folder / CONFIG_FILE).read_text())
    content["metrics"]["val_log_loss"] = changes.pop("val_log_loss", 0.5)
    (folder / CONFIG_FILE).write_text(json.dumps(content | changes))
    return folder


def test_a_row_per_question_agrees_with_the_artifact(model: Any, artifact: Path) -> None:
    answer = model.predict(pd.DataFrame({"question": QUESTIONS}))
    known = load_artifact(artifact)
    expected = known.predict_proba(QUESTIONS)
    assert list(answer.columns) == ["chosen_model", "probability", "probabilities"]
    given = np.array([list(row.values()) for row in answer.probabilities])
    np.testing.assert_allclose(given, expected.T, atol=1e-6)
    assert [list(row) for row in answer.probabilities] == [list(known.model_names)] * 3
    assert answer.probability.tolist() == pytest.approx(expected.max(axis=0).tolist(), abs=1e-6)
    assert answer.chosen_model.tolist() == [known.model_names[best] for best in expected.argmax(axis=0)]


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["question"], "data": [[text] for text in QUESTIONS]}},
        {"dataframe_records": [{"question": text} for text in QUESTIONS]},
        {"inputs": QUESTIONS},
        {"inputs": {"question": QUESTIONS}},
        {"inputs": [{"question": text} for text in QUESTIONS]},
        {"instances": [{"question": text} for text in QUESTIONS]},
    ],
)
def test_every_form_of_request_gives_the_same_answer(model: Any, body: dict[str, Any]) -> None:
    schema = model.metadata.get_input_schema()
    parsed = infer_and_parse_data(json.loads(json.dumps(body)), schema)
    expected = model.predict(pd.DataFrame({"question": QUESTIONS}))
    pd.testing.assert_frame_equal(model.predict(parsed), expected)


def test_lists_as_typed_in_python_do_too(model: Any) -> None:
    expected = model.predict(pd.DataFrame({"question": QUESTIONS}))
    pd.testing.assert_frame_equal(model.predict({"question": QUESTIONS}), expected)


def test_the_answer_is_json_that_explains_itself(model: Any, artifact: Path) -> None:
    import io

    out = io.StringIO()
    predictions_to_json(model.predict(pd.DataFrame({"question": QUESTIONS[:1]})), out)
    [row] = json.loads(out.getvalue())["predictions"]
    assert row["probabilities"][row["chosen_model"]] == row["probability"] == max(row["probabilities"].values())
    assert set(row["probabilities"]) == set(load_artifact(artifact).model_names)


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        (["fine", " "], "every question must be a text that is not empty, but 1 of 2 are not; the first is number 1"),
        ([None], "but 1 of 1 are not; the first is number 0, counted from 0: null"),
        (["fine", 3], "but 1 of 2 are not; the first is number 1, counted from 0: 3"),
    ],
)
def test_questions_without_a_text_are_refused(model: Any, questions: list[Any], message: str) -> None:
    with pytest.raises(MlflowException) as error:
        model.predict(pd.DataFrame({"question": questions}))
    assert message in str(error.value)
    assert error.value.error_code == "INVALID_PARAMETER_VALUE", "which the server answers with 400, not with 500"


@pytest.mark.parametrize("form", ["inputs", "column", "rows", "instances", "split", "records"])
@pytest.mark.parametrize(
    ("questions", "message"),
    [
        ([None], "but 1 of 1 are not; the first is number 0, counted from 0: null"),
        (["a?", None, "b?"], "but 1 of 3 are not; the first is number 1, counted from 0: null"),
        ([3], "but 1 of 1 are not; the first is number 0, counted from 0: 3"),  # among texts NumPy makes it one
    ],
)
def test_what_is_no_text_is_not_answered_as_if_it_were(
    model: Any, form: str, questions: list[Any], message: str
) -> None:
    rows = [{"question": question} for question in questions]
    body: dict[str, Any] = {
        "inputs": {"inputs": questions},
        "column": {"inputs": {"question": questions}},
        "rows": {"inputs": rows},
        "instances": {"instances": rows},
        "split": {"dataframe_split": {"columns": ["question"], "data": [[question] for question in questions]}},
        "records": {"dataframe_records": rows},
    }[form]
    parsed = infer_and_parse_data(json.loads(json.dumps(body)), model.metadata.get_input_schema())
    with pytest.raises(MlflowException) as error:
        model.predict(parsed)
    assert message in str(error.value)


@pytest.mark.parametrize("given", [pd.DataFrame({"text": QUESTIONS}), {"text": QUESTIONS}, "a?"])
@pytest.mark.filterwarnings("ignore")
def test_a_missing_column_is_refused(model: Any, given: Any) -> None:
    with pytest.raises(MlflowException) as error:
        model.predict(given)
    assert str(error.value) == (
        'there is no column `question`; questions are given as {"inputs": ["What is 7 * 8?"]}, or as a column '
        "`question` of texts"
    )
    assert error.value.error_code == "INVALID_PARAMETER_VALUE"


def test_nothing_in_the_model_is_pickled(saved: Path) -> None:
    files = [path for path in saved.rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".joblib", ".pt", ".bin")]
    assert {"model.safetensors", "config.json", "router_model.py", "input_example.json"} <= {
        path.name for path in files
    }


def test_the_model_runs_on_what_it_carries_and_requires(saved: Path, tmp_path: Path) -> None:
    code = (
        "import sys, mlflow; model = mlflow.pyfunc.load_model(sys.argv[1]); model.predict({'question': ['a?']});"
        "import embedllm; print(embedllm.__file__);"
        "print([name for name in ('tune', 'ray', 'optuna', 'jsonargparse') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(saved)], capture_output=True, text=True, timeout=120, check=True, cwd=tmp_path
    )
    where, loaded = done.stdout.splitlines()
    assert where == str(saved / "code" / "embedllm" / "__init__.py")
    assert loaded == "[]"


def test_requirements_are_those_of_the_encoder_in_versions_an_index_has() -> None:
    lsa = pip_requirements({"kind": "lsa"})
    names = [line.partition("==")[0] for line in lsa]
    assert {"mlflow", "torch", "numpy", "pandas", "safetensors", "scikit-learn"} <= set(names)
    assert "sentence-transformers" not in names
    assert not [line for line in lsa if "+" in line]
    hub = [line.partition("==")[0] for line in pip_requirements({"kind": "sentence-transformers", "source": "hub"})]
    assert "sentence-transformers" in hub
    assert "scikit-learn" not in hub


@pytest.mark.parametrize(
    ("register", "expected"),
    [("auto", "embedllm-my-pool"), ("none", None), ("router", "router")],
)
def test_names(register: str, expected: str | None) -> None:
    assert registered_name(register, "my pool") == expected
    assert registered_name("auto", "中国") != registered_name("auto", "日本")


def test_the_command_serves_with_the_packages_installed_here(monkeypatch: pytest.MonkeyPatch) -> None:
    bin_folder = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin")
    command = serve_command("sqlite:////a/mlflow.db", "models:/embedllm-pool@champion")
    assert command == (
        "MLFLOW_TRACKING_URI=sqlite:////a/mlflow.db mlflow models serve -m models:/embedllm-pool@champion "
        "--env-manager local -h 127.0.0.1 -p 5001"
    )
    monkeypatch.setenv("PATH", "/nowhere")
    assert serve_command("sqlite:////a b/mlflow.db", "models:/m/1").startswith(
        f"PATH={bin_folder}:\"$PATH\" MLFLOW_TRACKING_URI='sqlite:////a b/mlflow.db' mlflow models serve"
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[MlflowClient, str]:
    """A client of a fresh database, and an experiment in it."""
    folder = tmp_path_factory.mktemp("store")
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    return client, client.create_experiment("sweeps", artifact_location=(folder / "mlartifacts").as_uri())


Register = Callable[..., Any]


@pytest.fixture
def add(store: tuple[MlflowClient, str], request: pytest.FixtureRequest) -> Register:
    """Register an artifact as the winner of a run, under a name of the test's own."""
    client, experiment = store

    def add(artifact: Path, run_id: str | None = None, objective: str = "val_log_loss") -> Any:
        run_id = run_id or client.create_run(experiment).info.run_id
        name = request.node.name.replace("[", "-").replace("]", "")
        return register(client, experiment, run_id, Candidate(name, artifact, 7, objective, "a **winner**"), 1_000)

    return add


def test_a_registered_winner_is_found_by_its_alias_and_says_what_it_is(
    store: tuple[MlflowClient, str], add: Register, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, experiment = store
    run_id = client.create_run(experiment).info.run_id
    registered = add(artifact, run_id)
    assert (registered.version, registered.champion) == (1, 1)
    assert registered.uri == f"models:/{registered.name}@champion"
    version = client.get_model_version_by_alias(registered.name, "champion")
    assert version.run_id == run_id
    assert version.description == "a **winner**"
    assert version.tags["trial"] == "7"
    assert version.tags["val_log_loss"] == "0.5"
    [logged] = [found for found in client.search_logged_models([experiment]) if found.source_run_id == run_id]
    assert logged.status == "READY"
    assert logged.params["embedding_dim"] == "4"
    assert {metric.key: metric.value for metric in logged.metrics} == {"val_log_loss": 0.5, "test_accuracy": 0.7}
    folder = Path(logged.artifact_location.removeprefix("file://"))
    assert mlflow.pyfunc.load_model(str(folder)).predict({"question": ["a?"]}).shape == (1, 3)


def test_a_winner_is_registered_once(store: tuple[MlflowClient, str], add: Register, artifact: Path) -> None:
    client, experiment = store
    run_id = client.create_run(experiment).info.run_id
    assert [add(artifact, run_id).version for _ in range(2)] == [1, 1]


def test_the_better_one_is_champion_on_the_same_data_and_the_newer_one_on_other(
    add: Register, artifact: Path, tmp_path: Path
) -> None:
    worse = with_metric(artifact, tmp_path / "worse", val_log_loss=0.6)
    better = with_metric(artifact, tmp_path / "better", val_log_loss=0.4)
    other = with_metric(artifact, tmp_path / "other", val_log_loss=0.9, data_digest="other")
    first, second, third, fourth = (add(folder) for folder in (artifact, worse, better, other))
    assert [one.champion for one in (first, second, third, fourth)] == [1, 1, 3, 4]
    assert second.reason == "val_log_loss 0.50000 against 0.60000"
    assert second.uri.endswith("/2")
    assert third.uri.endswith("@champion")


@pytest.mark.slow
def test_a_real_server_answers(store: tuple[MlflowClient, str], add: Register, artifact: Path, tmp_path: Path) -> None:
    client, _ = store
    registered = add(artifact)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = serve_command(client.tracking_uri, registered.uri).replace("-p 5001", f"-p {port}")
    assert shlex.split(command)[-2:] == ["-p", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(["bash", "-c", command], stdout=log, stderr=log, start_new_session=True)
    try:
        known = load_artifact(artifact)
        for body in ({"inputs": QUESTIONS}, {"dataframe_split": {"columns": ["question"], "data": [["a?"], ["b?"]]}}):
            answer = _post(f"http://127.0.0.1:{port}/invocations", body, process, tmp_path / "log")
            questions = body.get("inputs") or ["a?", "b?"]
            expected = known.predict_proba(questions).T  # type: ignore[arg-type]
            given = [list(row["probabilities"].values()) for row in answer["predictions"]]
            np.testing.assert_allclose(given, expected, atol=1e-6)
        for body, reason in (
            ({"inputs": [" "]}, "every question must be a text that is not empty"),
            ({"inputs": ["a?", None]}, "the first is number 1, counted from 0: null"),
            ({"inputs": "a?"}, "there is no column `question`"),
        ):
            with pytest.raises(urllib.error.HTTPError) as error:
                _post(f"http://127.0.0.1:{port}/invocations", body, process, tmp_path / "log")
            assert error.value.code == 400
            assert reason in error.value.read().decode()
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _post(url: str, body: dict[str, Any], process: subprocess.Popen[bytes], log: Path) -> Any:
    """The server's answer, waited for while it starts."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError:
            raise
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.5)
