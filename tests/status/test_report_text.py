import unicodedata

from tallylight.i18n import Language, translator
from tallylight.model.status import Access
from tallylight.status.rendering import report_document
from tallylight.status.views.report import ReportRow, ReportView
from tallylight.status.views.report_text import report_markdown, report_text

EN = translator(Language.EN)


def row(name: str) -> ReportRow:
    names = (
        "id provider access_label stars_label score availability coverage risk_control"
        " risk_control_typical risk_control_total suspensions suspended_total longest_outage"
        " mtbf mttr median p95 cost fitness"
    )
    cells = dict.fromkeys(names.split(" "), "x")
    return ReportRow(
        **cells,
        name=name,
        access=Access.OFFICIAL,
        stars="★★★★★",
        star_count=5,
        fitness_rank=1,
        durations=("1 h", "–"),
        claimed="–",
    )


def view(*names: str) -> ReportView:
    return ReportView(
        "Report", "a to b", "", "all", (tuple(map(row, names)),), ("Up", "Down"), (), ()
    )


def columns_before(line: str, mark: str) -> int:
    before = line.split(mark, maxsplit=1)[0]
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in before)


def test_columns_are_aligned_for_wide_characters() -> None:
    text = report_text(view("Sora 2 官轉", "Plain name, much longer"), EN)

    starts = {columns_before(line, "★★★★★") for line in text.splitlines() if "★" in line}
    assert len(starts) == 1


def test_names_cannot_break_a_markdown_table() -> None:
    text = report_markdown(view("a|b<script>"), EN)

    assert "| a\\|b&lt;script&gt; |" in text


def test_a_document_links_to_the_page_if_its_address_is_known() -> None:
    alone = report_document(view("A"), "", EN)
    linked = report_document(view("A"), "https://example.com/status/", EN)

    assert "<a " not in alone
    assert '<a href="https://example.com/status/services/x">A</a>' in linked
