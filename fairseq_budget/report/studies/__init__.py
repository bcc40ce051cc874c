"""Tables and figures of a study, published values beside its own."""
