"""Images without a score by class and by error code. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ClassFlow:
    """The images of one class: how many are listed, and of these unscored, by error code."""

    listed: int = 0
    unscored: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ByClass:
    """Listed and unscored images by what is known of them."""

    malignant: ClassFlow = field(default_factory=ClassFlow)
    benign: ClassFlow = field(default_factory=ClassFlow)
    unlabelled: ClassFlow = field(default_factory=ClassFlow)

    @property
    def named(self) -> tuple[tuple[str, ClassFlow], ...]:
        """Each class with its name."""
        return (
            ("malignant", self.malignant),
            ("benign", self.benign),
            ("unlabelled", self.unlabelled),
        )


def by_class(
    listed: Mapping[int | None, int], errors: Mapping[tuple[int | None, str], int]
) -> ByClass:
    """The counts by class.

    Args:
        listed: number of images by label: 1 malignant, 0 benign, None without one.
        errors: number of images by label and error code.
    """
    return ByClass(*(_class(label, listed, errors) for label in (1, 0, None)))


def codes(errors: Mapping[tuple[int | None, str], int]) -> dict[str, int]:
    """Images by error code over all classes, the most frequent first."""
    totals: dict[str, int] = {}
    for (_, code), count in errors.items():
        totals[code] = totals.get(code, 0) + count
    return dict(sorted(totals.items(), key=lambda pair: (-pair[1], pair[0])))


def _class(
    label: int | None,
    listed: Mapping[int | None, int],
    errors: Mapping[tuple[int | None, str], int],
) -> ClassFlow:
    own = codes({key: count for key, count in errors.items() if key[0] == label})
    return ClassFlow(listed.get(label, 0), sum(own.values()), own)
