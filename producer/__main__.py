"""The program `producer`: Ctrl-C is handled before anything else is imported."""

from base import program


def main() -> None:
    """Run the command."""
    program.run("producer.cli")


if __name__ == "__main__":
    main()
