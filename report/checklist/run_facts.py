"""What the report of a run says, in sentences for items of a checklist."""

from collections.abc import Iterator

from base.console.foreign import shown
from report.checklist.card_facts import training_counts
from report.checklist.item import Study
from report.metrics.estimate import Estimate, Proportion, RocAuc
from report.metrics.subgroups import Subgroup
from report.render.tables import percent, short, threshold_line, warnings
from report.report_model import Labelled


def threshold(study: Study) -> str:
    """The threshold, whether it is prespecified or exploratory, and how it was chosen."""
    return threshold_line(study.report.threshold)


def labels(study: Study) -> str | None:
    """What the labels malignant and benign were taken from."""
    imported = study.report.checkpoint.imported
    if imported is not None and imported.get("truth"):
        return f"labels malignant and benign, from {shown(imported['truth'])}"
    origins = "; ".join(_origin(labelled) for labelled in study.report.flow.labels)
    return f"labels malignant and benign, from {origins}" if origins else None


def methods(study: Study) -> str:
    """The figures, and the methods of their intervals."""
    figures = study.report.figures
    auc = figures.roc_auc
    method = auc.method if isinstance(auc, RocAuc) and auc.method else "n/a"
    given = figures.at_prevalence is not None
    other = "; logit (Mercaldo, Lau & Zhou 2007) for PPV and NPV at --prevalence" if given else ""
    return (
        f"{percent(figures.confidence)} intervals: Wilson 1927 for proportions; log scale (Simel, "
        f"Samsa & Matchar 1991) for likelihood ratios; {method} for the ROC AUC; Wald for "
        f"calibration intercept and slope{other}; images are taken as independent"
    )


def missing(study: Study) -> str:
    """How many images had no score or no label, and that these are left out."""
    flow = study.report.flow
    codes = ", ".join(f"{code} {count}" for code, count in flow.errors.items())
    unlabelled = flow.scored - flow.copies_left_out - flow.analysed
    return (
        f"without a score: {flow.unscored} of {flow.listed} listed images"
        f"{f' ({codes})' if codes else ''}; scored without a label: {unlabelled}; "
        "both are left out of every figure, and no value is filled in for them"
    )


def flow(study: Study) -> str:
    """The numbers of images from the listing to the analysis."""
    counts = study.report.flow
    copies = f", copies left out {counts.copies_left_out}" if counts.copies_left_out else ""
    return (
        f"images listed {counts.listed}, without a score {counts.unscored}, scored "
        f"{counts.scored}{copies}, analysed (scored and labelled) {counts.analysed}"
    )


def classes(study: Study) -> str | None:
    """How many analysed images are malignant and benign, and the prevalence."""
    figures = study.report.figures
    table = figures.confusion
    if not table.total:
        return None
    return (
        f"{table.malignant} malignant and {table.benign} benign of {table.total} analysed images; "
        f"prevalence {_figure(figures.prevalence)}"
    )


def flow_and_classes(study: Study) -> str:
    """The numbers of images, and those of each class."""
    return "; ".join(filter(None, (flow(study), classes(study))))


def trained_and_analysed(study: Study) -> str | None:
    """Class counts of the training beside those of the analysed images."""
    trained, analysed = training_counts(study), classes(study)
    return f"{trained}; evaluation: {analysed}" if trained and analysed else None


def counts(study: Study) -> str | None:
    """Class counts of whatever is known of training and evaluation."""
    return "; ".join(filter(None, (training_counts(study), classes(study)))) or None


def cross_table(study: Study) -> str | None:
    """The four cells of the 2x2 table."""
    table = study.report.figures.confusion
    if not table.total:
        return None
    return (
        f"malignant: {table.tp} positive (TP), {table.fn} negative (FN); benign: {table.fp} "
        f"positive (FP), {table.tn} negative (TN)"
    )


def accuracy(study: Study) -> str | None:
    """The figures of accuracy with their intervals."""
    figures = study.report.figures
    if not figures.confusion.total:
        return None
    named: list[tuple[str, Estimate]] = [
        ("sensitivity", figures.sensitivity),
        ("specificity", figures.specificity),
        ("PPV", figures.ppv),
        ("NPV", figures.npv),
        ("LR+", figures.lr_positive),
        ("LR−", figures.lr_negative),
        ("ROC AUC", figures.roc_auc),
    ]
    if (other := figures.at_prevalence) is not None:
        where = f"where {percent(other.prevalence)} are malignant"
        named += [(f"PPV {where}", other.ppv), (f"NPV {where}", other.npv)]
    listed = "; ".join(f"{name} {_figure(figure)}" for name, figure in named)
    return f"{percent(figures.confidence)} intervals: {listed}"


def performance(study: Study) -> str | None:
    """The same with calibration, net benefit and subgroups."""
    figures = study.report.figures
    more = (
        f"calibration intercept {short(figures.calibration_intercept)}; calibration slope "
        f"{short(figures.calibration_slope)}; Brier score {short(figures.brier)}; net benefit "
        f"{short(figures.net_benefit)}"
    )
    known = accuracy(study)
    return known and "; ".join(filter(None, (known, more, subgroups(study))))


def subgroups(study: Study) -> str | None:
    """Sensitivity, specificity and ROC AUC of each subgroup of --by."""
    return "; ".join(_subgroup(each) for each in study.report.subgroups) or None


def cautions(study: Study) -> str | None:
    """The warnings of the report, which limit what its figures say."""
    return "; ".join(_cautions(study)) or None


def _cautions(study: Study) -> Iterator[str]:
    for line in warnings(study.report, named=False):
        yield line.removeprefix("warning: ")


def _figure(figure: Estimate) -> str:
    if isinstance(figure, Proportion) and figure.value is not None:
        return f"{figure.count}/{figure.total} = {short(figure)}"
    return short(figure)


def _origin(labelled: Labelled) -> str:
    meaning = "malignant" if labelled.label else "benign"
    if labelled.folder is not None:
        return f"folder {shown(labelled.folder)} ({labelled.images} {meaning})"
    if labelled.column is not None:
        return f"column {shown(labelled.column)} ({labelled.images} {meaning})"
    return f"unknown origin ({labelled.images} {meaning})"


def _subgroup(each: Subgroup) -> str:
    name = f"{shown(each.column)} {'unknown' if each.value is None else shown(each.value)}"
    size = f"{each.confusion.malignant} malignant of {each.confusion.total}"
    if each.suppressed is not None:
        return f"{name} ({size}): kept back ({each.suppressed})"
    return (
        f"{name} ({size}): sensitivity {_figure(each.sensitivity)}, specificity "
        f"{_figure(each.specificity)}, ROC AUC {short(each.roc_auc)}"
    )
