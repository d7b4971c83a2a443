"""What is learned from the training examples outside the weights, and how examples become numbers. No torch."""
