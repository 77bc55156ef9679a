"""Writes the pages: `make reference`."""

from reference.pages import FOLDER, rendered

if __name__ == "__main__":
    for name, text in rendered().items():
        (FOLDER / name).write_text(text)
