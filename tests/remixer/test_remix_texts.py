"""Prompts filled without holes, kinds complete, replies cleaned, and what is no query refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import BadInput, UnknownName
from harness.core.types import PromptFields
from harness.data.bright_tasks import TASKS
from harness.data.stdlib.task import WORDING
from remixer import prompt_files
from remixer.prompt_builder import PromptBuilder
from remixer.prompt_files import fill, prompt_text, version
from remixer.rows import SourceRow
from remixer.stages.annotate import parse_score
from remixer.stages.reply_text import clean_reply, why_unusable
from remixer.task_profiles import GENERAL, KINDS, POST, group_size, load_profile, profile_name
from tests.helpers.remix_corpus import make_kind

PROMPTS = PromptBuilder(make_kind(), "writer", "judge", 42)
SOURCE = SourceRow("d", "100 to 200 words", "college")


@given(st.text(max_size=60))
def test_a_value_goes_in_as_it_is(text: str):
    assert fill("a {{x}} b {{x}} {{y}}", {"x": text, "y": "z"}) == f"a {text} b {text} z".strip()


def test_values_are_not_filled_in_themselves():
    assert fill("{{a}} {{b}}", {"a": "{{b}}", "b": r"\1 $x {c}"}) == r"{{b}} \1 $x {c}"


@pytest.mark.parametrize("values", [{}, {"a": "1", "b": "2"}, {"b": "2"}])
def test_a_hole_or_a_value_too_many_is_refused(values: dict):
    with pytest.raises(BadInput, match="placeholders"):
        fill("{{a}}", values)


def test_an_unknown_prompt_is_refused():
    with pytest.raises(BadInput, match="no prompt 'nope'"):
        prompt_text("nope")


def test_versions_tell_wordings_apart(monkeypatch: pytest.MonkeyPatch):
    before = PROMPTS.versions()
    assert set(before) == {"domain_filter", "generate", "reason", "annotate"}
    assert len(set(before.values())) == 4
    assert version("a", "bc") != version("ab", "c")
    real = prompt_files.prompt_text
    monkeypatch.setattr(
        "remixer.prompt_builder.prompt_text",
        lambda name: real(name) + (" More." if name == "reason" else ""),
    )
    after = PROMPTS.versions()
    assert {stage for stage in before if before[stage] != after[stage]} == {"reason"}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    "prompt_fields", [WORDING, TASKS["biology"].prompt_fields], ids=["stdlib", "biology"]
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


def test_a_lower_limit_on_replies_holds_everywhere():
    small = PromptBuilder(make_kind(), "m", "m", 42, max_reply_tokens=100)
    requests = [small.domain_filter("d"), small.generate(SOURCE, "d"), small.reason("q")]
    assert [request.sampling.max_tokens for request in requests] == [8, 100, 100]


def test_kinds_follow_the_released_tasks():
    posts = {name for name, task in TASKS.items() if profile_name(name) == POST}
    short = {name.removesuffix("-long") for name in posts}
    assert len(short) == 7
    others = {profile_name(name) for name in TASKS} - {POST}
    assert others == {
        "leetcode", "pony", "aops", "theoremqa_questions", "theoremqa_theorems",
    }  # fmt: skip
    assert profile_name("stdlib") == "stdlib"
    assert profile_name("my-folder") == GENERAL
    with pytest.raises(UnknownName, match="Did you mean pony"):
        load_profile("ponny", WORDING)


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
