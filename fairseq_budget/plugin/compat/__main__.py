"""``python -m fairseq_budget.plugin.compat``: whether fairseq can train here; prints which fixes are in place, as JSON.

What `fairseq-budget doctor` asks in a process of its own: a host that can't be imported may end it.
"""

from __future__ import annotations

import json
from importlib import import_module

from fairseq_budget.plugin.compat import apply

if __name__ == "__main__":
    import_module("fairseq_cli.hydra_train")
    import_module("hydra_plugins.fairseq_budget")  # what makes the recipes composable
    print(json.dumps(apply()))
