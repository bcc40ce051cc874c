"""What was said in each utterance of a manifest, as words and as the units that CTC predicts."""
