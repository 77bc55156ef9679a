"""The rooms of the house: few files in each, and a true picture."""

import ast

from rooms import PAGE, code_folders, files_in, written

MOST_FILES = 15


def test_no_folder_holds_more_files_than_one_can_read() -> None:
    crowded = {str(each): len(files_in(each)) for each in code_folders()}

    assert {name: count for name, count in crowded.items() if count > MOST_FILES} == {}


def test_every_folder_says_what_it_holds() -> None:
    texts = [ast.parse((each / "__init__.py").read_text()) for each in code_folders()]

    assert all(ast.get_docstring(text) for text in texts)


def test_the_picture_shows_the_code_as_it_is() -> None:
    page = PAGE.read_text()

    assert page == written(page), "out of date: python tests/helpers/rooms.py"
