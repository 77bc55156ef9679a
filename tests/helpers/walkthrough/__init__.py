"""Pages of the docs that are made by running them: their commands, their output, their pictures.

`python -m walkthrough docs/tutorial.md` runs a page and fails where it says something else than the
programs; `--write` writes output and pictures into it. On such a page

- a block ```` ```sh ```` is run, by bash, in one folder and one environment from top to bottom; all
  of it must end with 0, or with the code of a mark `<!-- ends with 3 -->` above it;
- the blocks ```` ```text ```` below it show what it printed: all of it, or what a mark
  `<!-- shown: images .. analysed | ROC AUC -->` names, from a line with the first words to the next
  one with the second, or single lines; what a page does not show at all must be nothing;
- a picture below a mark `<!-- picture: figures/roc.png -->` is that file; of an HTML file, such as
  `<!-- picture: report.html#curves 1000x700 -->`, it is what a browser shows;
- a mark `<!-- figures of: … -->`, which `--write` fills in, names the kind of processor; on another
  one, what depends on the scores of a network that was trained there is not compared;
- a mark `<!-- not run: why -->` above a block says that it is only shown; an indented block, which
  nobody runs, is refused.
"""
