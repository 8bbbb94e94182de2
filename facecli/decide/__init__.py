"""Step 4: predict. The open-set decision: a name, or unknown."""
