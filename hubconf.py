"""``torch.hub.load(FOLDER, "budget_slim", source="local", ckpt=PATH)``: this checkout's upstreams, without s3prl.

The names are those of s3prl_upstreams/upstreams/hubconf.py.
"""

from s3prl_upstreams.upstreams.hubconf import UPSTREAMS as _upstreams

dependencies = ["torch", "numpy"]  # which torch looks for before it takes a name from here
globals().update(_upstreams)
