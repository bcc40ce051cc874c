"""What can be wrong with a folder of manifests and labels, found before hours are spent on it."""
