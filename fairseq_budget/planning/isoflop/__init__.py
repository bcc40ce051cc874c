"""From runs at several sizes and budgets to the optimal size.

``points`` reads runs and refuses what can't be compared, ``parabola`` and ``parametric`` fit Chinchilla's second and third
approach, ``analysis`` puts both side by side with what to be careful about.
"""
