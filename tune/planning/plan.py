"""The plan of a sweep: its packs on the cluster at hand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tune.config import SweepConfig
from tune.data import SweepData
from tune.engine.packing import MAX_PACK
from tune.engine.slots import Node, Slots, cluster_nodes, memory_per_pack, plan_slots
from tune.labels import counted, seeds_text
from tune.planning.memory import GIB, DataShape
from tune.planning.preflight import Finding, check_nodes, check_slots
from tune.planning.probe import ProbeTask, Throughput, probe
from tune.planning.schedule import WORTH_PROBING, PackPlan, largest_pack, largest_that_fits, plan_packs, rough_seconds


@dataclass(frozen=True)
class ClusterPlan:
    """How a sweep's packs lie on the cluster at hand.

    Args:
        nodes: its machines.
        slots: how they are divided.
        packs: size, memory and time of the packs.
        findings: what would fail, or should be known.
    """

    nodes: Sequence[Node]
    slots: Slots
    packs: PackPlan
    findings: Sequence[Finding]

    def line(self, config: SweepConfig) -> str:
        """One line on what is about to run, and why so."""
        slots, packs = self.slots, self.packs
        size = "one by one" if packs.size == 1 else f"in packs of up to {packs.size}"
        return (
            f"{counted(config.trials, 'trial')} x {seeds_text(config.seeds)} {size} ({packs.reason}), "
            f"{slots.count} at a time on {slots.each} each"
        )


def plan_packs_here(
    config: SweepConfig,
    source: SweepData,
    resources: dict[str, float],
    *,
    always_probe: bool = False,
    baseline: bool = True,
) -> ClusterPlan:
    """Divide the cluster and choose the packs. Ray must be running.

    Args:
        config: the sweep.
        source: its data and encodings.
        resources: of the whole cluster, as `ray_cluster` gives them.
        always_probe: measure the speed of training even where the sweep is thought to end soon.
        baseline: whether the baseline is still to be run.

    Raises:
        ConfigError: if not even one pack finds room.
    """
    nodes = cluster_nodes()
    slots = plan_slots(config, config.trials, resources, nodes)
    findings = [*check_nodes(nodes), *check_slots(slots, nodes)]
    widths = {name: matrix.shape[1] for name, matrix in source.encodings.items()}
    shape = DataShape.of(source.data, source.split, widths)
    throughput = None
    if always_probe or _worth_probing(config, shape, slots):
        try:
            throughput = probe(ProbeTask(config, source), slots)
        except Exception as error:  # of the worker or of Ray, whatever it is: a sweep can do without
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            findings.append(Finding("warning", f"training speed could not be measured: {reason}"))
    if throughput is not None and slots.gpus and throughput.gpu_bytes is None:
        findings.append(
            Finding(
                "warning",
                "Ray has GPUs but PyTorch on the worker sees none: packs train on the CPU; install a CUDA build of "
                "torch on every node",
            )
        )
    if throughput is not None and not baseline:
        throughput = replace(throughput, baseline_seconds=0.0)
    available = memory_per_pack(slots, nodes)
    if throughput is not None and throughput.gpu_bytes is not None:
        available = _gpu_share(slots, throughput)
    packs = plan_packs(config, shape, slots, available, throughput)
    if packs.problem is not None:
        findings.append(Finding("problem", f"{packs.problem}; {_advice(config, shape, slots, packs, throughput)}"))
    return ClusterPlan(nodes, slots, packs, findings)


def _worth_probing(config: SweepConfig, shape: DataShape, slots: Slots) -> bool:
    """Whether knowing the speed or the GPU's memory may pay for the seconds a probe takes."""
    if slots.gpus and largest_pack(config, shape, config.pack or MAX_PACK, gpu=True).total > GIB:
        return True
    return config.pack is None and rough_seconds(config, shape, slots) > WORTH_PROBING


def _gpu_share(slots: Slots, throughput: Throughput) -> int:
    """Bytes of GPU memory for a pack; a pack that asks for several GPUs computes on the first."""
    assert throughput.gpu_bytes is not None
    _, free = throughput.gpu_bytes
    return int(free * min(slots.gpus, 1.0))


def _advice(config: SweepConfig, shape: DataShape, slots: Slots, packs: PackPlan, throughput: Throughput | None) -> str:
    """What to change so that packs fit."""
    gpu = throughput is not None and throughput.gpu_bytes is not None
    choices = []
    smaller = largest_that_fits(config, shape, packs.available, gpu=gpu)
    if smaller < packs.size:
        choices.append(f"lower pack to {smaller}")
    if gpu and slots.gpus < 1:
        choices.append("raise gpus_per_pack")
    if not gpu and slots.count > 1:
        choices.append("use fewer slots")
    if config.seeds > 1:
        choices.append("use fewer seeds")
    return ", or ".join([*choices, "use a smaller embedding_dim"])
