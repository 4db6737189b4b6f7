"""The practice corpus, and the tool that scores one."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "tests" / "data" / "error-corpus.jsonl"
MAKERS = ROOT / "tests" / "data" / "makers-corpus.jsonl"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("score_corpus", ROOT / "tools/score_corpus.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["score_corpus"] = module  # dataclasses look up their module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return tmp_path / "corpus.jsonl"


def line(**fields: object) -> str:
    return json.dumps({"http_status": 429, "body": "", "expected": "rate_limited", **fields}) + "\n"


@pytest.mark.parametrize(("corpus_file", "lines"), [(CORPUS, 218), (MAKERS, 378)])
def test_at_least_98_percent_of_a_practice_corpus_are_right(
    tool: ModuleType, corpus_file: Path, lines: int
) -> None:
    scores = tool.scored(tool.read_corpus(corpus_file))

    assert len(scores) == lines
    assert sum(score.is_right for score in scores) >= 0.98 * len(scores)


def test_every_line_of_the_makers_corpus_names_its_source() -> None:
    with MAKERS.open(encoding="utf-8") as lines:
        assert all(json.loads(text)["source"] for text in lines)


def test_the_protocol_hint_is_not_needed(tool: ModuleType, corpus: Path) -> None:
    with CORPUS.open(encoding="utf-8") as lines:
        unhinted = [{**json.loads(text), "protocol": ""} for text in lines if text.strip()]
    corpus.write_text("\n".join(map(json.dumps, unhinted)), encoding="utf-8")

    scores = tool.scored(tool.read_corpus(corpus))

    assert sum(score.is_right for score in scores) >= 0.98 * len(scores)


def test_every_result_on_the_corpus_names_its_rule(tool: ModuleType) -> None:
    scores = tool.scored(tool.read_corpus(CORPUS))

    assert all(":" in score.rule for score in scores if score.got != "operational")


def test_the_last_line_is_the_score(
    tool: ModuleType, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus.write_text(line() + line(expected="retired") + line(expected="auth", also_ok=["quota"]))

    code = tool.main([str(corpus)])

    output = capsys.readouterr().out.splitlines()
    assert code == 0
    assert output[-1] == "right 1 of 3"
    assert sum(text.startswith("line ") for text in output) == 2


def test_an_alternative_label_is_right(tool: ModuleType, corpus: Path) -> None:
    corpus.write_text(line(expected="degraded", also_ok=["rate_limited"]))

    (score,) = tool.scored(tool.read_corpus(corpus))

    assert score.is_right


def test_an_exception_is_read_from_the_message(tool: ModuleType, corpus: Path) -> None:
    corpus.write_text(
        line(http_status=None, body="", message="TimeoutError: ", expected="degraded")
    )

    (score,) = tool.scored(tool.read_corpus(corpus))

    assert score.is_right


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (line() + "{half", "corpus.jsonl:2:"),
        ("[]\n", "corpus.jsonl:1: a line must be a JSON object"),
        (line(expected="happy"), "corpus.jsonl:1: 'happy' is no label"),
        (line(expected=None), "corpus.jsonl:1: None is no label"),
        (line(expected=["auth"]), "corpus.jsonl:1: ['auth'] is no label"),
        (line(phase="dance"), "corpus.jsonl:1: 'dance' is not a valid Phase"),
        (line(http_status="429"), "corpus.jsonl:1: http_status must be a whole number or null"),
        (line(body={}), "corpus.jsonl:1: body must be a text"),
        (line(headers=[1]), "corpus.jsonl:1: headers must be an object"),
        (line(also_ok="auth"), "corpus.jsonl:1: also_ok must be a list of labels"),
        ("\n\n", "corpus.jsonl: holds no line"),
        ("[" * 100_000, "corpus.jsonl:1:"),
    ],
)
def test_a_bad_line_gives_one_clear_sentence(
    tool: ModuleType,
    corpus: Path,
    capsys: pytest.CaptureFixture[str],
    content: str,
    complaint: str,
) -> None:
    corpus.write_text(content, encoding="utf-8")

    code = tool.main([str(corpus)])

    complaints = capsys.readouterr().err.splitlines()
    assert code == 2
    assert len(complaints) == 1
    assert complaint in complaints[0]


def test_a_file_that_is_not_there_is_named(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = tool.main([str(tmp_path / "none.jsonl")])

    assert code == 2
    assert "none.jsonl: cannot be read" in capsys.readouterr().err
