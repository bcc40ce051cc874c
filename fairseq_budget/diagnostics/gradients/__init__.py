"""How much gradients differ from batch to batch (Vaessen and van Leeuwen, figure 3)."""
