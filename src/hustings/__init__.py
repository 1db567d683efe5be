"""Hustings: hold a live conversation in front of any number of people, on your own server."""

import os

__version__ = "0.1.0"

# numpy's matrices multiply in one thread: ours are small, and after each product OpenBLAS' other threads spin
# for milliseconds, waiting for the next. It looks once, when numpy is loaded; what is set already stays.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
