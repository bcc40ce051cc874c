"""What a model predicts and how it is scored: a folder for each objective."""
