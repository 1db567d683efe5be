"""`hustings bench hls`, by the name documents have called it by."""

from hustings.bench.command import run

if __name__ == "__main__":
    run("hls", against="nginx")
