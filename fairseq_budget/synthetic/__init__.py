"""Speech that the project makes itself, with eSpeak NG: corpora to train on and keywords to test with."""
