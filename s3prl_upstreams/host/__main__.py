"""``python -m s3prl_upstreams.host``: whether s3prl can evaluate here; prints which fixes are in place, as JSON.

What `fairseq-budget doctor` asks in a process of its own: a host that can't be imported may end it.
"""

from __future__ import annotations

import json
from importlib import import_module

from s3prl_upstreams.host import compat, hub

if __name__ == "__main__":
    in_place = compat.apply()
    hub.install()
    import_module("s3prl.downstream.runner")
    print(json.dumps(in_place))
