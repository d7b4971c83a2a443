"""What is predicted: the loss, the answers and the metrics of each kind of output."""
