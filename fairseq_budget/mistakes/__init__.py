"""A wrong command to fairseq-hydra-train, told in one line that names what is wrong.

Hydra and OmegaConf name their own rules, advise a `+` that would set what nothing reads, or end in a traceback.
``settings`` and ``values`` word what is wrong with a setting, ``composing`` what keeps a recipe from being composed, and
``reporting`` prints errors meant for the user as their line alone.  HYDRA_FULL_ERROR=1 shows everything, as ever.
"""
