"""What types cannot say about training and evaluation, in the order in which it is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from structdsl.diagnostics import Sink
from structdsl.passes import check_clusters, check_evaluations, check_models, check_stages
from structdsl.passes.finding import Finding
from structdsl.unit import Unit


def check_training(unit: Unit, sink: Sink) -> Unit:
    for check in CHECKS:
        for finding in check(unit):
            finding.into(sink, unit.source)
    return unit


CHECKS: tuple[Callable[[Unit], Iterator[Finding]], ...] = (
    check_models.models_hold_together,
    check_models.models_have_a_tokenizer,
    check_models.one_tokenizer_counts,
    check_models.templates_are_there,
    check_clusters.processes_add_up,
    check_clusters.launchers_reach_their_nodes,
    check_clusters.deepspeed_settings_fit,
    check_clusters.extra_options_have_no_attribute,
    check_stages.stages_start_somewhere,
    check_stages.stages_have_weights_to_work_with,
    check_stages.stages_read_what_they_can,
    check_stages.structure_meets_data,
    check_stages.batches_are_whole,
    check_stages.teachers_fit,
    check_stages.adapters_continue_adapters,
    check_stages.merges_share_a_root,
    check_stages.tracked_corpora_are_text,
    check_evaluations.tasks_fit_their_corpora,
    check_evaluations.unasked_tasks_have_their_names,
    check_evaluations.tasks_fit_their_models,
    check_evaluations.requirements_are_measured,
    check_evaluations.harness_tasks_have_one_metric,
)
