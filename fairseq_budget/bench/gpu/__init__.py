"""What a machine's GPU makes of this project: numbers, waits, memory, training, ranks and speed, each part within minutes.

On a CPU the same parts run in small, so that the command is known to work before there is a GPU.
"""
