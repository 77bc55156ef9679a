"""The items of STARD 2015, in our own words.

Bossuyt et al., STARD 2015: an updated list of essential items for reporting diagnostic accuracy
studies. BMJ 2015;351:h5527.
"""

from report.checklist import card_facts, run_facts
from report.checklist.item import Item, Standard

STARD = Standard(
    "STARD 2015",
    "Bossuyt et al., BMJ 2015;351:h5527",
    (
        Item("1", "title: a study of diagnostic accuracy", "a title with a measure of accuracy"),
        Item("2", "structured abstract", "design, methods, results and conclusions in short"),
        Item("3", "background", "the clinical question, intended use and role of the test"),
        Item("4", "objectives and hypotheses", "what was to be shown"),
        Item("5", "prospective or retrospective", "whether data were collected after planning"),
        Item("6", "eligibility of participants", "who was included and who was not"),
        Item("7", "how participants were identified", "symptoms, earlier tests, or a registry"),
        Item("8", "setting, place and dates", "where and when images were taken"),
        Item("9", "how the series was formed", "consecutive, random or convenience"),
        Item(
            "10a", "index test, for replication", "camera, and how images are taken",
            card_facts.model,
        ),
        Item(
            "10b", "reference standard, for replication", "what the labels were made by",
            run_facts.labels,
        ),
        Item("11", "why this reference standard", "the reasons, if there are alternatives"),
        Item(
            "12a", "threshold of the index test, prespecified or exploratory",
            "why this threshold", run_facts.threshold,
        ),
        Item("12b", "categories of the reference standard", "which diagnoses are malignant"),
        Item(
            "13a", "what readers of the index test knew", "what was known when images were chosen",
            card_facts.image_alone,
        ),
        Item("13b", "what assessors of the reference standard knew", "whether they saw the scores"),
        Item(
            "14", "methods for estimating or comparing accuracy", "any analysis besides these",
            run_facts.methods,
        ),
        Item(
            "15", "indeterminate results", "images that the reference standard could not decide",
        ),
        Item("16", "missing data", "why they are missing", run_facts.missing),
        Item(
            "17", "variability of accuracy, such as subgroups",
            "which subgroups were prespecified", run_facts.subgroups,
        ),
        Item("18", "intended sample size", "the size that was planned, and why"),
        Item("19", "flow of participants", "participants, as well as images", run_facts.flow),
        Item("20", "characteristics of participants", "age, sex, skin type, place of lesions"),
        Item("21a", "severity of the condition", "stage or thickness of malignant lesions"),
        Item("21b", "other diagnoses without the condition", "diagnoses of benign lesions"),
        Item("22", "time between the tests", "time and treatment between image and diagnosis"),
        Item("23", "index test against reference standard", "", run_facts.cross_table),
        Item("24", "accuracy with its precision", "", run_facts.accuracy),
        Item("25", "adverse events", "harm by either test, or that there was none"),
        Item("26", "limitations", "bias, uncertainty, other populations", run_facts.cautions),
        Item("27", "implications for practice", "intended use, in view of the results"),
        Item("28", "registration", "number and name of the registry"),
        Item("29", "protocol", "where the full protocol can be read"),
        Item("30", "funding", "sources of support, and what the funders did"),
    ),
)  # fmt: skip
