"""Fast computations written by hand, each tested against a plain reference of a few lines."""
