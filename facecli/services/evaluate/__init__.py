"""Measure facecli on photos whose answers are known: read the answers, run the pipeline, say what came of it."""
