"""What fairseq has to know: importing this package applies the compat fixes and registers every class by name.

Registered: the models `budget_hubert`, `budget_wav2vec2`, `budget_tera`; a task of pre-training for each; the criterion
`budget_pretraining`; the learning-rate schedules `budget_{polynomial,triangular,tri_stage,cooldown}`.
"""

from fairseq_budget.plugin import compat

compat.apply()

from fairseq_budget.plugin import criterion, lr_schedulers, models, tasks  # noqa: E402

__all__ = ["criterion", "lr_schedulers", "models", "tasks"]
