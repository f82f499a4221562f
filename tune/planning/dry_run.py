"""Everything one would want to know before a sweep, for `--dry-run`: looked at without starting or writing anything."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from embedllm.data.matrix import CorrectnessMatrix
from embedllm.data.splits import Split
from embedllm.errors import EmbedLLMError
from tune.config import SweepConfig
from tune.data import SweepData, check_split_seed, load_data
from tune.engine.cluster import ray_cluster
from tune.engine.slots import cluster_nodes, plan_slots
from tune.planning.encoder_state import EncoderState, encoder_state, encodings_for_a_probe
from tune.planning.plan import ClusterPlan, plan_packs_here
from tune.planning.preflight import Finding, check_folder, check_tracking
from tune.search.space import distributions
from tune.tracking.uri import resolve_tracking_uri


@dataclass(frozen=True)
class DryRun:
    """What a sweep would do, and everything that would stop it.

    Args:
        config: the sweep; its trials are those still to be run.
        path: its folder, which is not made.
        baseline: whether the baseline is still to be run.
        data: the correctness matrix; None if it cannot be read.
        split: as it would be used; None without data.
        encoders: the space's encoders.
        cluster: None if there is no cluster, or no data to plan with.
        tracking_uri: where MLflow's records would go; None if it can be none.
        findings: problems and warnings.
    """

    config: SweepConfig
    path: Path
    baseline: bool
    data: CorrectnessMatrix | None
    split: Split | None
    encoders: Sequence[EncoderState]
    cluster: ClusterPlan | None
    tracking_uri: str | None
    findings: Sequence[Finding]

    @property
    def problems(self) -> list[str]:
        return [finding.text for finding in self.findings if finding.kind == "problem"]

    @property
    def warnings(self) -> list[str]:
        return [finding.text for finding in self.findings if finding.kind == "warning"]


def dry_run(
    config: SweepConfig,
    path: Path,
    *,
    baseline: bool = True,
    digest: str | None = None,
    known: Sequence[Finding] = (),
) -> DryRun:
    """Look at everything; what fails is kept as a problem.

    Args:
        config: the sweep; its trials are those still to be run.
        path: its folder.
        baseline: whether the baseline is still to be run.
        digest: of the data an existing sweep began with; None for a new one.
        known: what was found before.
    """
    findings = [*known, *check_folder(path)]
    tracking_uri: str | None = None
    data: CorrectnessMatrix | None = None
    split: Split | None = None
    encoders: list[EncoderState] = []
    cluster: ClusterPlan | None = None
    space_fits = False
    with _kept(findings):
        tracking_uri = resolve_tracking_uri(config.tracking_uri, path)
        findings += check_tracking(tracking_uri)
    with _kept(findings):
        data, split = load_data(config)
    if data is not None and digest not in (None, data.digest):
        text = f"the data has changed since the sweep began: its digest is {data.digest}, it was {digest}"
        findings.append(Finding("problem", text))
    if split is not None and digest is None:
        with _kept(findings):
            check_split_seed(config, split)
    if split is not None:
        with _kept(findings):
            distributions(config.space, len(split.train))
            space_fits = True
    if data is not None and split is not None:
        encoders = [encoder_state(name, data, split) for name in config.space.encoder]
        findings += [Finding("problem", encoder.detail) for encoder in encoders if encoder.state == "refused"]
    with _kept(findings), ray_cluster(config.address) as resources:
        if data is not None and split is not None and space_fits:
            encodings = {state.name: encodings_for_a_probe(state, data, split) for state in encoders}
            source = SweepData(data, split, encodings)
            cluster = plan_packs_here(config, source, resources, always_probe=True, baseline=baseline)
            findings += cluster.findings
        else:
            plan_slots(config, config.trials, resources, cluster_nodes())
    return DryRun(config, path, baseline, data, split, encoders, cluster, tracking_uri, findings)


@contextmanager
def _kept(findings: list[Finding]) -> Iterator[None]:
    """Keep what the block raises as a problem."""
    try:
        yield
    except EmbedLLMError as error:
        findings.append(Finding("problem", str(error)))
