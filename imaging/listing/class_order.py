"""Whether a model card and the class folders mean the same by a name. Pure."""

from collections.abc import Iterable, Mapping

from base.console.foreign import shown
from imaging.errors import SourceError
from imaging.listing.labels import LABELS, word

_CLASSES = ("benign", "malignant")


def refuse_reversed(
    checkpoint: str, class_names: Iterable[str], labels: Mapping[str, int | None] = LABELS
) -> None:
    """Refuse a checkpoint whose card gives a class the other label than class folders do.

    Its scores would be those of the other class. `class_names` are the card's: benign, malignant.

    Raises:
        SourceError: the order of the names contradicts `labels`.
    """
    known = {word(name): label for name, label in labels.items()}
    for index, name in enumerate(class_names):
        if known.get(word(name)) == 1 - index:
            raise SourceError(
                f"checkpoint {checkpoint}: class_names in its model card say that {shown(name)} is "
                f"{index} ({_CLASSES[index]}), but images in the class folder of that name, or "
                f"with that label, are {1 - index} ({_CLASSES[1 - index]}): change the order of "
                "class_names if only the card is wrong; if the model gives the probability of the "
                "other class, save it with 1 - p as its score"
            )
