"""Before a run: a probe of the machine, memory, and the size to choose."""
