from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.rendering import StreamRenderer, render

TEXT = """# Title

Some **bold** text [1] and more [2, 9], then `code[1]`.

- [ ] open
- [x] done [1]
  1. nested

| a | b |
|---|---|
| 1 | [2] |

```python
def f(x):
    return x[0]
```

> quoted
> twice

The end."""


def test_markdown_becomes_html_with_citations_as_links() -> None:
    html = render(TEXT, 2, "abc")
    assert '<a class="cite" href="#source-abc-1" data-source="1"' in html
    assert html.count('class="cite"') == 4
    assert "<code>code[1]</code>" in html
    assert '<span class="k">def</span>' in html
    assert "<table>" in html
    assert 'type="checkbox"' in html


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "![x](https://tracker.example.org/pixel.png)",
        '[x](https://example.org "onmouseover=alert(1)")',
        "```<script>alert(1)</script>\ncode\n```",
        '```"><img src=x onerror=alert(1)>\ncode\n```',
        "<https://example.org/%22onclick=alert(1)>",
        "[1]<svg/onload=alert(1)>",
    ],
)
def test_nothing_that_could_run_or_phone_home_comes_through(attack: str) -> None:
    html = render(attack, 1, "abc")
    tags = re.findall(r"<(\w+)([^>]*)>", html)
    assert not {name for name, _ in tags} & {"script", "img", "svg", "iframe", "style"}
    for _, attributes in tags:
        names = {name.lower() for name in re.findall(r'([\w-]+)="[^"]*"', attributes)}
        assert not [name for name in names if name.startswith("on")]
        assert "javascript:" not in attributes
        assert "data:" not in attributes


def test_a_link_opens_no_window_on_us() -> None:
    assert 'rel="noopener noreferrer nofollow"' in render("[x](https://example.org)")


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_streaming_ends_with_the_same_html_as_rendering_whole(step: int) -> None:
    renderer = StreamRenderer(2, "abc")
    blocks: list[str] = []
    for start in range(0, len(TEXT), step):
        update = renderer.feed(TEXT[start : start + step])
        blocks[update.start :] = update.blocks
    assert "".join(blocks) == render(TEXT, 2, "abc")


def test_streaming_parses_only_the_last_block_again() -> None:
    renderer = StreamRenderer()
    for number in range(50):
        update = renderer.feed(f"Paragraph {number}.\n\n")
        assert len(update.blocks) <= 2
    assert len(renderer._tail) < 40


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(alphabet="ab*_`#->|[]()1 \n~", min_size=1, max_size=8), max_size=25))
def test_no_stream_of_broken_markdown_fails(parts: list[str]) -> None:
    renderer = StreamRenderer(1, "abc")
    blocks: list[str] = []
    for part in parts:
        update = renderer.feed(part)
        assert update.start <= len(blocks)
        blocks[update.start :] = update.blocks


def test_a_megabyte_without_a_space_is_rendered() -> None:
    assert render("x" * 1_000_000).startswith("<p>xxx")
