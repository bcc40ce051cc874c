"""Public corpora: fetched, unpacked and prepared."""
