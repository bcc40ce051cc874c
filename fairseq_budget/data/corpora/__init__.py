"""Corpora that are made here: synthetic speech in the layouts of LibriSpeech and Speech Commands."""
