"""Scores in, error rates out: the protocols and metrics of ISO/IEC 19795 and NIST FRTE. Pure arithmetic."""
