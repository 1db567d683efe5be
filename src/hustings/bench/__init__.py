"""`hustings bench`: measures this machine, beside others' servers in the same minute (docs/benchmarks.md).

A bench starts what it measures as processes of its own on 127.0.0.1, with a load generator pinned to another
core, and reads the server's CPU time from /proc: figures are CPU time for what was served, so they hold on a
machine that has other things to do.
"""
