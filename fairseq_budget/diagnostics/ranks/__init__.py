"""A first look at checkpoints without training anything on them: effective ranks and clusters of their features.

``features`` takes every layer's features of some utterances in one pass, ``measures`` has the numbers, ``abx`` asks how well
phones are told apart, ``look`` applies them to checkpoints, and ``correlation`` holds them against what the tasks of SUPERB
said about the same checkpoints.
"""
