"""Miniatures of the corpora of SUPERB's tasks, in the layouts of the originals."""
