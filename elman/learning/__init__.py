"""Training and judging: losses, metrics, baselines and the training loop."""
