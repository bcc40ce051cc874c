"""What unmodified fairseq needs to run on current Python and torch, and several times in a process; each fix does nothing
where it isn't needed."""

from __future__ import annotations

from fairseq_budget.fixes import apply_fixes
from fairseq_budget.plugin.compat import (
    batching,
    fine_tuning,
    gradients,
    half,
    ranks,
    reading,
    repeated,
    saving,
    seeding,
    settings,
    wandb_runs,
    waveforms,
)

FIXES = (
    reading.allow_checkpoint_classes,
    reading.read_checkpoints_as_data,
    reading.evaluate_literals_only,
    saving.copy_checkpoints_whole,
    saving.rename_what_is_on_the_disk,
    saving.say_why_a_save_failed,
    ranks.broadcast_any_object,
    ranks.gather_without_cuda,
    ranks.place_cpu_ranks,
    ranks.overlap_on_cpu_ranks,
    ranks.hand_signals_to_spawned_ranks,
    batching.batch_without_extensions,
    fine_tuning.let_hubert_be_fine_tuned,
    gradients.ask_the_task,
    half.copy_at_once,
    seeding.seed_the_cpu_at_once,
    repeated.begin_each_run_afresh,
    repeated.open_a_log_once,
    wandb_runs.name_wandb_runs,
    repeated.start_loaders_as_elsewhere,
    repeated.end_reading_at_exit,
    repeated.close_event_files_at_exit,
    waveforms.read_what_needs_no_conversion,
    settings.name_wrong_settings,
    settings.look_at_settings_first,
)


def apply() -> dict[str, bool]:
    """Apply every fix; calling it again changes nothing.  By name, whether each is in place, being needed here."""
    return apply_fixes("fairseq", FIXES)
