"""The command line: one file a command; parse, call a service, report."""

import os

# OpenBLAS's threads spin for a tenth of a second after every matrix product, and after the import of numpy, on cores
# that the networks need: 2^4 cycles instead of the default 2^26. It reads this when numpy is imported, which is later.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
