"""The checks of a blueprint's meaning: one generator each, over the authored form.

A rule says what it found; it changes nothing, raises nothing, and does not count on other rules having found nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from avtomat.blueprint.checks.rules import (
    blocks,
    calls,
    data_flow,
    durations,
    hooks,
    later,
    literals,
    machines,
    names,
    people,
    schedules,
    schemas,
    values,
    variables,
)
from avtomat.blueprint.checks.rules.subject import Subject
from avtomat.blueprint.findings.finding import Finding, within_budget

Rule = Callable[[Subject], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    machines.targets_exist,
    machines.states_are_reached,
    machines.states_have_a_way_out,
    machines.cycles_wait,
    machines.ways_on_are_written,
    machines.arms_can_be_taken,
    machines.names_are_free,
    machines.lone_states_end,
    machines.next_or_transitions,
    machines.errors_can_be_taken,
    machines.calls_have_one_body,
    calls.requests_can_be_sent,
    blocks.joins_can_be_met,
    blocks.blocks_are_not_too_deep,
    blocks.only_the_job_declines_its_undos,
    blocks.finally_has_no_undos,
    names.formulas_can_be_read,
    names.names_are_in_scope,
    names.fields_exist,
    data_flow.outputs_are_there,
    data_flow.data_is_set,
    data_flow.inputs_are_declared,
    literals.literal_places_hold_no_templates,
    literals.texts_are_meant_as_texts,
    literals.templates_are_our_own,
    variables.variables_have_plain_names,
    durations.stored_durations_are_read_as_durations,
    values.durations_can_be_read,
    values.time_limits_leave_time,
    values.delays_fit_their_cap,
    values.policies_exist,
    values.policies_are_used,
    values.times_can_be_read,
    values.error_codes_are_well_formed,
    values.kinds_of_task_are_well_formed,
    values.amounts_can_be_read,
    values.items_have_free_names,
    values.texts_do_not_stand_for_values,
    values.collects_mean_what_they_say,
    schemas.schemas_are_valid,
    people.choices_can_be_told_apart,
    people.reminders_leave_time,
    schedules.schedules_can_be_told_apart,
    schedules.times_come,
    schedules.runs_do_not_contradict,
    schedules.inputs_fit,
    hooks.hooks_do_one_thing,
    hooks.hooks_are_verified,
    hooks.signals_of_hooks_are_awaited,
    later.only_what_is_built,
)


def check_meaning(subject: Subject) -> Iterator[Finding]:
    """Return what all rules find, of each within a budget."""
    for rule in RULES:
        yield from within_budget(rule(subject))
