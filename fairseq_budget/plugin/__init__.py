"""What fairseq has to know: importing this package applies the compat fixes and registers every class by name.

Registered: a model `budget_<objective>` and a task `budget_<objective>_pretraining` for each folder of objectives, a model
`budget_ctc` and a task `budget_ctc_finetuning`; the criterion `budget_pretraining`; the learning-rate schedules
`budget_{polynomial,triangular,tri_stage,cooldown}`; the optimizer `budget_adam`.
"""

from fairseq_budget.plugin import compat

compat.apply()

from fairseq_budget.plugin import criterion, lr_schedulers, objectives, optimizer  # noqa: E402
from fairseq_budget.plugin.finetuning import task  # noqa: E402

__all__ = ["criterion", "lr_schedulers", "objectives", "optimizer", "task"]
