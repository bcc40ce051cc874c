"""Pre-training of self-supervised speech models on a compute budget: a fairseq user-dir and its tools.

The arithmetic, the data layer and the modules need no fairseq, so importing this package alone stays light.  When fairseq
is what imports it (``common.user_dir``), everything that fairseq has to know is registered at once.
"""

import sys

__version__ = "0.4.0"

if "fairseq" in sys.modules:
    import fairseq_budget.plugin  # noqa: F401
