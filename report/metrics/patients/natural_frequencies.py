"""Natural frequencies, which doctors read more rightly than percentages (Gigerenzer 2007)."""

from dataclasses import dataclass

# Among fewer patients with melanoma, whole numbers would say too little.
FEWEST, PATIENTS, MOST = 5, 1_000, 1_000_000


@dataclass(frozen=True, slots=True)
class NaturalFrequencies:
    """Of so many `patients`, in whole numbers that add up.

    `melanoma` are `found` and `missed`; the others are `false_alarms` and `cleared`.
    """

    prevalence: float
    patients: int
    melanoma: int
    found: int
    missed: int
    false_alarms: int
    cleared: int

    @property
    def words(self) -> str:
        """Such as "of 1,000 patients, 20 with melanoma: 16 found, 4 missed, 331 false alarms"."""
        alarms = (
            "1 false alarm" if self.false_alarms == 1 else f"{self.false_alarms:,} false alarms"
        )
        return (
            f"of {self.patients:,} patients, {self.melanoma:,} with melanoma: "
            f"{self.found:,} found, {self.missed:,} missed, {alarms}"
        )


def natural_frequencies(
    sensitivity: float | None, specificity: float | None, prevalence: float
) -> NaturalFrequencies | None:
    """What becomes of 1,000 patients, or of as many more as 5 with melanoma need.

    None if sensitivity or specificity is undefined, or so few have it that a million do not do.

    Args:
        sensitivity: TP / (TP + FN), in [0, 1].
        specificity: TN / (TN + FP), in [0, 1].
        prevalence: the share of patients with melanoma, in (0, 1).
    """
    if sensitivity is None or specificity is None:
        return None
    patients = PATIENTS
    while round(patients * prevalence) < FEWEST:
        patients *= 10
        if patients > MOST:
            return None
    melanoma = round(patients * prevalence)
    found = round(melanoma * sensitivity)
    cleared = round((patients - melanoma) * specificity)
    return NaturalFrequencies(
        prevalence=prevalence,
        patients=patients,
        melanoma=melanoma,
        found=found,
        missed=melanoma - found,
        false_alarms=patients - melanoma - cleared,
        cleared=cleared,
    )
