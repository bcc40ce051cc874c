"""What runs leave behind: typed, versioned JSON files, written and read here by everyone.

`pretraining` and `downstream` are the kinds; `base` reads, writes and refuses; `results` finds the results below folders.
"""
