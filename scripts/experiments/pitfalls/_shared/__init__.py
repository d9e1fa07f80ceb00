"""What the experiments of the chapter share."""
