"""What a trained model is worth, told without training on a task."""
