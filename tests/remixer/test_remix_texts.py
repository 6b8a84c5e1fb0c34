"""Prompts filled without holes, kinds complete, replies cleaned, and what is no query refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import BadInput, UnknownName
from harness.core.prompt_files import fill, version
from harness.core.types import PromptFields
from harness.data.bright_tasks import TASKS
from harness.data.stdlib.task import STDLIB
from remixer.prompt_builder import PromptBuilder
from remixer.prompt_files import PromptFiles
from remixer.rows import SourceRow
from remixer.sampling import StageSamplings, parse_samplings
from remixer.stages.annotate import parse_score
from remixer.stages.reply_text import clean_reply, why_unusable
from remixer.task_profiles import GENERAL, KINDS, POST, group_size, load_profile, profile_name
from tests.helpers.remix_corpus import make_kind

PROMPTS = PromptBuilder(make_kind(), "writer", "judge", 42)
SOURCE = SourceRow("d", "100 to 200 words", "college")
VERSIONS = PROMPTS.versions()


@given(st.text(max_size=60))
def test_a_value_goes_in_as_it_is(text: str):
    assert fill("a {{x}} b {{x}} {{y}}", {"x": text, "y": "z"}) == f"a {text} b {text} z".strip()


def test_values_are_not_filled_in_themselves():
    assert fill("{{a}} {{b}}", {"a": "{{b}}", "b": r"\1 $x {c}"}) == r"{{b}} \1 $x {c}"


@pytest.mark.parametrize("values", [{}, {"b": "2"}])
def test_a_hole_is_refused(values: dict):
    with pytest.raises(BadInput, match=r"unknown placeholder \{\{a\}\}"):
        fill("{{a}}", values)


def test_a_prompt_without_what_it_is_about_is_refused():
    assert fill("{{a}}", {"a": "1", "b": "2"}) == "1"
    with pytest.raises(BadInput, match=r"lacks the placeholder \{\{b\}\}"):
        fill("{{a}}", {"a": "1", "b": "2"}, ["b"])


def test_an_unknown_prompt_is_refused():
    with pytest.raises(BadInput, match="no prompt 'nope'"):
        PromptFiles().text("nope")


def test_prompts_of_a_folder_replace_ours(tmp_path: Path):
    (tmp_path / "annotate.txt").write_text("Relevant? {{query}} / {{document}} <score>")
    own = PromptBuilder(make_kind(), "writer", "judge", 42, files=PromptFiles(tmp_path))
    assert own.annotate("Q", "D").messages[0].content == "Relevant? Q / D <score>"
    assert own.reason("Q") == PROMPTS.reason("Q")
    changed = {stage for stage, hashed in own.versions().items() if hashed != VERSIONS[stage]}
    assert changed == {"annotate"}


def test_a_folder_of_prompts_that_would_be_ignored_is_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="holds no prompt"):
        PromptFiles(tmp_path)
    (tmp_path / "anotate.txt").write_text("{{query}} {{document}}")
    with pytest.raises(BadInput, match=r"anotate.txt, which is no prompt"):
        PromptFiles(tmp_path)
    with pytest.raises(BadInput, match="is not a folder"):
        PromptFiles(tmp_path / "gone")


def test_the_released_wording_leaves_our_additions_out():
    plain = PromptBuilder(make_kind(), "writer", "judge", 42, files=PromptFiles(additions=False))
    ours, theirs = (each.generate(SOURCE, "D").messages[0].content for each in (PROMPTS, plain))
    assert "give away by name" in ours
    assert "give away by name" not in theirs
    ours, theirs = (each.annotate("Q", "D").messages[0].content for each in (PROMPTS, plain))
    assert "not enough by themselves" in ours
    assert "not enough by themselves" not in theirs
    assert "3: moderately relevant; it helps, but much" in ours
    assert "3: moderately relevant\n" in theirs
    assert not any("{{" in text or "+}}" in text for text in (ours, theirs))
    changed = {stage for stage, hashed in plain.versions().items() if hashed != VERSIONS[stage]}
    assert changed == {"generate", "annotate"}


def test_our_wording_keeps_its_hashes():
    """They are in the rows, manifests and replay files of earlier runs."""
    stdlib = PromptBuilder(load_profile("stdlib", STDLIB.wording), "writer", "judge", 42)
    assert stdlib.versions() == {
        "domain_filter": "52a0c31bbeec", "generate": "74a1bbf0d6b5",
        "reason": "b598fdc74499", "annotate": "79bd996edd1b",
    }  # fmt: skip


def test_stack_overflow_is_asked_about_programming():
    profile = load_profile(profile_name("stackoverflow"), TASKS["stackoverflow"].prompt_fields)
    assert "Stack Overflow" not in profile.write
    assert "programming" in profile.write
    assert profile.query == "Stack Overflow post"
    assert profile.domain == "Coding"


def test_versions_tell_wordings_apart(monkeypatch: pytest.MonkeyPatch):
    before = PROMPTS.versions()
    assert set(before) == {"domain_filter", "generate", "reason", "annotate"}
    assert len(set(before.values())) == 4
    assert version("a", "bc") != version("ab", "c")
    real = PromptFiles.text
    monkeypatch.setattr(
        PromptFiles,
        "text",
        lambda self, name: real(self, name) + (" More." if name == "reason" else ""),
    )
    after = PROMPTS.versions()
    assert {stage for stage in before if before[stage] != after[stage]} == {"reason"}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    "prompt_fields", [STDLIB.wording, TASKS["biology"].prompt_fields], ids=["stdlib", "biology"]
)
def test_every_kind_makes_whole_requests(name: str, prompt_fields: PromptFields):
    prompts = PromptBuilder(load_profile(name, prompt_fields), "writer", "judge", 42)
    document, query = "THE DOCUMENT {{x}}", "THE QUERY"
    texts = {
        "domain_filter": prompts.domain_filter(document),
        "generate": prompts.generate(SOURCE, document),
        "reason": prompts.reason(query),
        "annotate": prompts.annotate(query, document),
    }
    for stage, request in texts.items():
        text = request.messages[0].content
        assert text.count("{{") == text.count("{{x}}")
        assert (document in text) == (stage != "reason")
        assert (query in text) == (stage in ("reason", "annotate"))
        assert request.model == ("judge" if stage == "annotate" else "writer")
    generated = texts["generate"].messages[0].content
    assert "100 to 200 words" in generated
    assert "at college level" in generated


def test_sampling_is_the_released_one():
    generate = PROMPTS.generate(SOURCE, "d").sampling
    assert (generate.temperature, generate.top_p, generate.max_tokens) == (1.0, 0.6, 8192)
    judge = PROMPTS.annotate("q", "d").sampling
    assert (judge.temperature, judge.top_p, judge.top_k, judge.max_tokens) == (0.7, 0.95, 40, 2048)
    assert PROMPTS.domain_filter("d").sampling.choices == ("Yes", "No")
    assert {PROMPTS.domain_filter("d", n).seed for n in range(3)} == {42, 43, 44}


def test_samplings_are_changed_one_setting_at_a_time():
    changed = parse_samplings(["annotate.temperature=0", "generate.max_tokens=4096"])
    assert (changed.annotate.temperature, changed.annotate.top_k) == (0.0, 40)
    assert changed.annotate.pattern == StageSamplings().annotate.pattern
    assert changed.generate.max_tokens == 4096
    assert (changed.reason, changed.domain_filter) == (
        StageSamplings().reason, StageSamplings().domain_filter
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("annotate.temp=0", "names no setting"), ("judge.top_p=1", "names no setting"),
        ("annotate.top_p", "gives no number"), ("annotate.top_k=1.5", "gives no number"),
        ("annotate.top_p=1.1", "out of range"), ("reason.temperature=-1", "out of range"),
        ("reason.temperature=nan", "out of range"), ("reason.max_tokens=0", "out of range"),
    ],
)  # fmt: skip
def test_samplings_that_are_none_are_refused(text: str, complaint: str):
    with pytest.raises(BadInput, match=complaint):
        parse_samplings([text])


def test_a_lower_limit_on_replies_holds_everywhere():
    small = PromptBuilder(make_kind(), "m", "m", 42, samplings=StageSamplings().limited(100))
    requests = [small.domain_filter("d"), small.generate(SOURCE, "d"), small.reason("q")]
    assert [request.sampling.max_tokens for request in requests] == [8, 100, 100]


def test_kinds_follow_the_released_tasks():
    posts = {name for name, task in TASKS.items() if profile_name(name) == POST}
    short = {name.removesuffix("-long") for name in posts}
    assert len(short) == 6
    others = {profile_name(name) for name in TASKS} - {POST}
    assert others == {
        "stackoverflow", "leetcode", "pony", "aops", "theoremqa_questions", "theoremqa_theorems",
    }  # fmt: skip
    assert profile_name("stdlib-plain") == "stdlib"
    assert profile_name("my-folder") == GENERAL
    with pytest.raises(UnknownName, match="Did you mean pony"):
        load_profile("ponny", STDLIB.wording)


def test_domains_and_group_sizes_are_the_released_ones():
    domains = {
        name: load_profile(profile_name(name), task.prompt_fields).domain
        for name, task in TASKS.items()
    }
    assert {domains[name] for name in ("stackoverflow", "leetcode", "pony")} == {"Coding"}
    assert {domains[name] for name in ("aops", "theoremqa_questions", "theoremqa_theorems")} == {
        "Math"
    }
    assert domains["earth_science"] == "Earth Science"
    assert group_size("leetcode") == (2, 64)
    assert group_size("pony") == (64, 2)
    others = set(KINDS) - {"leetcode", "pony", "stdlib"}
    assert {group_size(kind) for kind in others} == {(16, 8)}
    assert {size * batch for size, batch in map(group_size, KINDS)} == {128}


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (" a b ", "a b"),
        ("<think>hm</think>\n\nq", "q"),
        ("hm</think> x </THINK> q", "q"),
        ("<think>never closed", ""),
        ('"q"', "q"),
        ("\u201cq\u201d", "q"),
        ('"q" or "r"', '"q" or "r"'),
        ('"half', '"half'),
        ("```\nq\n```", "q"),
        ("```text\nq\nr\n```", "q\nr"),
        ('```\n"q"\n```', "q"),
        ("```\na\n```\nand\n```\nb\n```", "```\na\n```\nand\n```\nb\n```"),
        ("use `x`", "use `x`"),
        ("'tis it'", "'tis it'"),
        ("", ""),
    ],
)
def test_replies_are_cleaned(raw: str, clean: str):
    assert clean_reply(raw) == clean


DOCUMENT = " ".join(f"word{n}" for n in range(120))


def test_what_is_no_query_is_named():
    words = DOCUMENT.split()
    own = " ".join(f"own{n}" for n in range(200))
    assert why_unusable("", DOCUMENT) == "empty"
    assert why_unusable(" ?! ", DOCUMENT) == "empty"
    assert why_unusable("Почему всё время ждёт вторая программа?", DOCUMENT) == "language"
    assert why_unusable("为什么程序一直在等待", DOCUMENT) == "language"
    assert why_unusable("why is that so?", "Почему всё время ждёт вторая?") == "language"
    assert why_unusable("Почему так?", "Почему всё время ждёт вторая?") == ""
    assert why_unusable(DOCUMENT, DOCUMENT) == "copied"
    assert why_unusable(own + " " + " ".join(words[10:35]), DOCUMENT) == "copied"
    assert why_unusable(own + " " + " ".join(words[10:34]), DOCUMENT) == ""
    assert why_unusable(" ".join(words[:20]).upper(), DOCUMENT) == "copied"
    assert why_unusable("why does word1 word2 word3 fail?", DOCUMENT) == ""
    assert why_unusable("123 + 456 = 579?", "1 + 2 = 3") == ""


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("so <score>4</score>", 4),
        ("<SCORE> 5 </SCORE>", 5),
        ("<score>2</score> no, <score>3</score>.", 3),
        ("<think><score>1</score></think><score>4</score>", 4),
        ("<score>number</score>", 0),
        ("<score>6</score>", 0),
        ("<score>0</score>", 0),
        ("<score>-3</score>", 0),
        ("<score>3.5</score>", 0),
        ("<score>4/5</score>", 0),
        ("<score>4", 0),
        ("score: 4", 0),
        ("<score>３</score>", 0),
        ("<score>3</score> or rather <score>all</score>", 0),
        ("<think><score>4</score>", 0),
        ("", 0),
    ],
)
def test_only_a_whole_score_in_tags_counts(reply: str, score: int):
    assert parse_score(reply) == score


@given(st.text(max_size=200))
def test_any_text_is_a_score_or_none(text: str):
    assert parse_score(text) in range(6)
    assert isinstance(clean_reply(text), str)
    assert why_unusable(text, DOCUMENT) in ("", "empty", "language", "copied")
