"""`python -m worker.bench`: Ctrl-C is handled before anything else is imported."""

from base import program

if __name__ == "__main__":
    program.run("worker.bench.command")
