from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.formulas import ATTRIBUTES, TAGS
from chat.rendering import StreamRenderer, render, render_passage

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

Where $a^2$ holds, and \\(b\\) costs $5 or $10:

$$
\\frac{a}{b}
$$

![a picture](https://pictures.example.org/a.png) says it[^1].

The end."""
NOTE = "\n\n[^1]: Somebody, *somewhere*.\n"


def test_markdown_becomes_html_with_citations_as_links() -> None:
    html = render(TEXT, 2, "abc")
    assert '<a class="cite" href="#source-abc-1" data-source="1"' in html
    assert html.count('class="cite"') == 5  # its [^1] is no footnote
    assert "<code>code[1]</code>" in html
    assert '<span class="k">def</span>' in html
    assert "<table>" in html
    assert html.count('type="checkbox"') == 2
    assert html.count("<math") == 3
    assert "costs $5 or $10" in html


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
        "[x](JaVaScRiPt:alert(1))",
        "[x](java\tscript:alert(1))",
        "[x](<java\nscript:alert(1)>)",
        "[x](&#106;avascript:alert(1))",
        "[x](javascript&colon;alert(1))",
        "[x](\x01javascript:alert(1))",
        "[x][a]\n\n[a]: javascript:alert(1)",
        "<javascript:alert(1)>",
        "https://javascript:alert(1)",
        "www.javascript:alert(1)",
        "mailto:javascript:alert(1)",
        "[x](vbscript:a)",
        "[x](//javascript:a)",
        'https://example.org/"onclick="alert(1)',
        "https://example.org/'><img/src=x>",
        "www.example.org/<script>alert(1)",
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


def test_what_a_model_writes_leads_to_other_sites_or_nowhere() -> None:
    html = render("[out](https://example.org) [mail](mailto:a@example.org) [in](/accounts/logout/) [](//evil.example)")
    assert re.findall(r'href="([^"]*)"', html) == ["https://example.org", "mailto:a@example.org"]
    assert "target" not in html


def test_a_picture_becomes_a_link_to_it() -> None:
    html = render("![a valve](https://example.org/a.png) [![b](https://example.org/b.png)](https://example.org/c)")
    assert "<img" not in html
    assert '<a class="picture-link" href="https://example.org/a.png"' in html
    assert "a valve</a>" in html
    assert html.count("<a ") == 2
    assert "b.png" not in html


def test_the_words_of_a_picture_are_words() -> None:
    html = render("![a **bold** [1] valve[^1]](https://example.org/a.png)\n\n[^1]: x", 1, "abc")
    assert re.sub("<.*?>", "", html.partition("</p>")[0]) == "a bold  valve"
    assert "&lt;" not in stream(["![a[^1] [1]](https://example.org/a.png) and"])


def test_code_has_its_language_and_a_button_to_copy_it() -> None:
    html = render("```python title\nx = 1\n```")
    assert '<span class="language">python</span>' in html
    assert '<button type="button" class="copy" data-copy-code="Copied">Copy</button>' in html


def test_the_columns_of_a_table_keep_their_side() -> None:
    html = render("| a | b | c | d |\n|:--|:-:|--:|---|\n| 1 | 2 | 3 | 4 |")
    assert re.findall(r"<t[hd]( class=.at-\w+.)?>", html) == 2 * [
        *(f' class="at-{s}"' for s in ("left", "center", "right")),
        "",
    ]
    assert "style" not in html


@pytest.mark.parametrize(
    "text",
    [
        *("a [1].", "[link](https://example.org)[1]", "https://example.org/x[1]", "<https://example.org>[1]"),
        *(
            "**bold**[1]",
            "*[1]*",
            "`code`[1]",
            "$x$[1]",
            "### Title [1]",
            "Title [1]\n===",
            "> quoted [1]",
            "- [x] [1]",
        ),
        *("| a [1] |\n|---|", "| a |\n|---|\n| [1] |", "a[^n]\n\n[^n]: A note [1]", "1. one\n\n   [1]", "日本語[1]。"),
    ],
)
def test_a_number_cites_wherever_it_stands(text: str) -> None:
    html = render(text, 1, "abc")
    assert html.count('<a class="cite" href="#source-abc-1"') == 1
    assert not re.search(r"<a [^>]*>(?:(?!</a>).)*<a ", html)  # no link within another
    assert "https://example.org" not in text or '<a href="https://example.org' in html


FORMS = [
    *("[[1]]", "[[1]](https://example.org/a_(b))", "[^1]", "[^1^]", "【1】", "【1†source】", "【1†L3-L9】", "[ 1 ]"),
    *("[Source 1]", "[source: 1]", "[citation:1]", "[Passage #1]", "[Documents 1]"),
]


@pytest.mark.parametrize("form", FORMS)
def test_a_citation_is_read_as_models_write_it_and_shows_only_its_number(form: str) -> None:
    text = f"It is so {form}. And `{form}`."
    for shown in (render(text, 1, "abc"), StreamRenderer(1, "abc").finish(text)):
        assert re.sub("<code>.*?</code>|<.*?>", "", shown).strip() == "It is so 1. And ."
        assert shown.count('class="cite"') == 1
    for prefix in range(text.index("."), 0, -1):  # while it comes, nothing of it that is not a number
        shown = re.sub("<.*?>", "", stream([text[:prefix]])).strip()
        assert shown in ("It is so", "It is so 1", *("It is so"[:length] for length in range(8))), text[:prefix]


def test_more_citations_at_once_are_links_each() -> None:
    for form, numbers in {
        "[1-3]": "123",
        "[1, 3–4]": "134",
        "[2-9]": "2345",
        "[[1, 2]]": "12",
        "[citation:1, citation:3]": "13",
        "[Source 1; Source 2]": "12",
        "[1、2]": "12",
        "【1】【3†x】": "13",
        "[9] [^9] [[9]](x) 【9】 [7-9] [Source 9] 【4:0†a.pdf】": "",
    }.items():
        assert "".join(re.findall(r'data-source="(\d+)"', render(f"So {form}.", 5, "abc"))) == numbers, form


@pytest.mark.parametrize(
    "text",
    [
        "[a1]",
        "[0-9]",
        "[2020-2024]",
        "[Source code]",
        "【注】",
        "[1.5]",
        "[1-x]",
        "【1",
        "[[a]]",
        "[^a]",
        "[Source 1](https://a.example)",
    ],
)
def test_what_only_looks_like_a_citation_stays(text: str) -> None:
    html = render(f"So {text} it is.", 5, "abc")
    assert 'class="cite"' not in html
    assert text.partition("](")[0].strip("[]") in html


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("1. שלום [a](https://example.org)", "ol"),
        ("**مرحبا** بالعالم", "p"),
        ("## שלום", "h2"),
        ("> - «שלום»", "blockquote"),
        ("| שם | a |\n|---|---|\n| 1 | 2 |", "div"),
    ],
)
def test_what_is_written_from_right_to_left_stands_so(text: str, tag: str) -> None:
    assert re.findall(r"<(\w+)[^>]* dir=\"rtl\"", render(f"A word.\n\n{text}\n\n日本 שלום\n\n```\nשלום\n```")) == [tag]


# --- Addresses -----------------------------------------------------------------------------------


def links(html: str) -> list[tuple[str, str]]:
    return re.findall(r'<a href="([^"]*)"[^>]*>([^<]*)</a>', html)


@pytest.mark.parametrize(
    ("text", "address", "shown"),
    [
        ("See https://example.org/x.", "https://example.org/x", ""),
        ("HTTP://Example.org", "HTTP://Example.org", ""),
        ("(www.example.org/a_(b))", "http://www.example.org/a_(b)", "www.example.org/a_(b)"),
        ("to a_b.c+d@example.org, please", "mailto:a_b.c+d@example.org", "a_b.c+d@example.org"),
        ("mailto:a@example.org", "mailto:a@example.org", ""),
        ("**https://example.org/a_b_c**!", "https://example.org/a_b_c", ""),
        ("https://example.org/?a=$x$&b=~~1~~*?", "https://example.org/?a=$x$&amp;b=~~1", ""),
        ('"https://example.org/x"', "https://example.org/x", ""),
        ("&lt;https://example.org/?a&amp;b&gt;", "https://example.org/?a&amp;b", ""),
        ("http://localhost:8000/x", "http://localhost:8000/x", ""),
        ("見てhttps://example.org/x。次", "https://example.org/x", ""),
        ("見てhttps://example.org/xを", "https://example.org/x", ""),
        ("https://example.org/日本", "https://example.org/%E6%97%A5%E6%9C%AC", "https://example.org/日本"),
        ("https://пример.рф", "https://xn--e1afmkfd.xn--p1ai", "https://пример.рф"),
        ("| https://example.org |\n|---|", "https://example.org", ""),
    ],
)
def test_a_bare_address_becomes_a_link(text: str, address: str, shown: str) -> None:
    assert links(render(text)) == [(address, shown or address)]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "README.md, settings.py and asp.net",
            "ftp://example.org",
            "//example.org",
            "www.example",
            "https://…",
            "a@b",
        ),
        *("javascript:alert(1)", "data:text/html,x", "vbscript:www.x", "`https://example.org`", "    www.example.org"),
        *(
            "https://exa\ue0f0mple.org",
            "https://example.org/a\ue0f1b",
            "https://bank.example@evil.example/",
            "git@example.org:a/b",
            "x://a:b@example.org",
            "@a@example.org",
        ),
        *("```\nhttps://example.org\n```", "https://{host}/x", "react@18.2.0", "$https://x$", "https://" + "x/" * 2000),
    ],
)
def test_what_is_no_address_or_no_safe_one_stays_text(text: str) -> None:
    assert "<a" not in render(text)


def test_an_address_within_a_link_is_its_text() -> None:
    html = render(
        "[https://a.example www.a.example a@a.example](https://b.example) [![www.a.example](x)](https://c.example)"
    )
    assert re.findall(r'href="([^"]*)"', html) == ["https://b.example", "https://c.example"]


def test_an_address_is_text_until_it_is_whole_and_its_letters_never_move() -> None:
    text = "**So:** https://example.org/_a_(b)?c=*d*&e, or (www.example.org) and a_b@example.org is "
    text += "[it](https://example.org/a_(b)) now"
    whole = re.sub("<.*?>", "", render(text)).strip()
    shown = [stream([text[:end]]) for end in range(len(text))]
    assert all(whole.startswith(re.sub("<.*?>", "", html).strip()) for html in shown)
    final = set(links(render(text)))
    assert len(final) == 4
    assert all(set(links(html)) <= final for html in shown)


# --- Formulas ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *(
            "$5 and $10",
            "from $20k to $30k",
            "US$ 5",
            "5$ or 6$",
            "$5/month or 6$",
            "\\$x\\$",
            "$HOME and $PATH",
            "a$b$c",
        ),
        *("`$x$`", "\\(see below\\)", "\\[1\\]", "$ x $", "$$", "$x"),
    ],
)
def test_money_and_brackets_stay_text(text: str) -> None:
    assert "<math" not in render(text)


@pytest.mark.parametrize(
    ("text", "is_block"),
    [
        ("$x^2$", False),
        ("($a_1$, $5$).", False),
        ("\\(x\\)", False),
        ("\\(n - 1\\)", False),
        ("$$x = 1$$", True),
        ("$$\na\n+ b\n$$", True),
        ("\\[x = 1\\]", True),
        ("So:\n\\[\n\\sum_i x_i\n\\]\nand", True),
        ("- a\n  $$\n  x\n  $$", True),
    ],
)
def test_formulas_become_mathml(text: str, is_block: bool) -> None:
    assert f'<math display="{"block" if is_block else "inline"}">' in render(text)


@pytest.mark.parametrize("source", [r"\unknown x", "{", r"\begin{matrix}", "{" * 400])
def test_a_formula_that_cannot_be_read_is_shown_as_it_was_written(source: str) -> None:
    assert f'<code class="formula">{source}</code>' in render(f"${source}$").replace("&amp;", "&")


def test_a_formula_brings_nothing_but_mathml() -> None:
    attack = (
        r"$\text{<script>alert(1)</script><img src=x>}\href{javascript:alert(1)}{x}\unicode{x3c}\style{color:red}{y}"
        r"\class{a}{b}\hspace{-900em}z$"
    )
    html = render(attack) + render(r"$\href{javascript:alert(1)}{x}$") + render(r"$\hspace{-900em}z$")
    assert "-900em" not in re.sub(r"<code.*?</code>", "", html)
    for name, attributes in re.findall(r"<(\w+)([^>]*)>", html):
        assert name in {*TAGS, "p", "code"}
        assert name == "code" or set(re.findall(r"([\w-]+)=", attributes)) <= ATTRIBUTES


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="\\{}^_&$ab1 frcsqtlehxno()[]<>", max_size=60))
def test_no_formula_breaks_the_page(source: str) -> None:
    html = render(f"$${source}$$") + render(f"${source}$")
    assert not re.search(r"<(?!/?(?:p|br|em|a|code|" + "|".join(TAGS) + r")\b)", html)


# --- Footnotes -----------------------------------------------------------------------------------


def test_the_footnotes_of_two_answers_on_one_page_have_ids_of_their_own() -> None:
    one, two = (set(re.findall(r'id="([^"]+)"', render(TEXT + NOTE, 2, answer_id))) for answer_id in ("a", "b"))
    assert len(one) == len(two) == 2
    assert not one & two
    for name in one:
        assert f'href="#{name}"' in render(TEXT + NOTE, 2, "a")


def test_the_footnotes_of_a_passage_have_no_ids() -> None:
    assert " id=" not in render_passage(TEXT + NOTE)
    assert "Somebody" in render_passage(TEXT + NOTE)


def test_footnotes_are_shown_while_an_answer_streams() -> None:
    shown = stream(["It is so[^9]. ", "And more[^b].\n\n[^9]: The ", "first.\n[^b]: The second."])
    assert shown.count('<sup class="footnote-ref">') == 2
    assert 'class="footnotes"' in shown
    assert "The second." in shown


# --- Streaming -----------------------------------------------------------------------------------


def stream(parts: list[str]) -> str:
    renderer = StreamRenderer(2, "abc")
    blocks: list[str] = []
    for part in parts:
        update = renderer.feed(part)
        blocks[update.start :] = update.blocks
    return "".join(blocks)


def pieces(text: str, cuts: list[int]) -> list[str]:
    bounds = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[a:b] for a, b in pairwise(bounds)]


MARKDOWN = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *(
                    "**",
                    "*",
                    "_",
                    "~~",
                    "`",
                    "```\n",
                    "```py\n",
                    "\n",
                    "\n\n",
                    "- ",
                    "1. ",
                    "2) ",
                    "# ",
                    "#",
                    "> ",
                    "    ",
                ),
                *(
                    "|",
                    "|--|--|\n",
                    "| a | b |\n",
                    "---",
                    "===",
                    "[1]",
                    "[2, 9]",
                    "[",
                    "]",
                    "(",
                    ")",
                    "[x](https://a.b)",
                ),
                *(
                    "$",
                    "$$",
                    "$$\n",
                    "\\(",
                    "\\)",
                    "\\[\n",
                    "\\]",
                    "x^2",
                    "[^1]",
                    "[^1]: ",
                    "[a]: /b\n",
                    "[a]",
                    "- [ ] ",
                ),
                *(
                    "![a](https://b.c)",
                    "<b>",
                    "\\",
                    "\r",
                    "\r\n",
                    "\t",
                    "\0",
                    "&amp;",
                    "https://a.b/(c_)",
                    "www.a.b",
                    "a_@b.cd",
                    "~~~\n",
                    "<!--",
                    "* * *\n",
                    "\u2028",
                ),
            ]
        ),
        st.text(alphabet="ab 1\n*_`$é\u202e", min_size=1, max_size=6),
    ),
    max_size=30,
).map("".join)


@settings(max_examples=400, deadline=None)
@given(MARKDOWN, st.lists(st.integers(0, 10_000), max_size=12))
def test_a_stream_ends_with_the_html_of_the_whole_however_it_is_cut(text: str, cuts: list[int]) -> None:
    renderer = StreamRenderer(2, "abc")
    whole = render(text, 2, "abc")
    shown = final = 0
    for part in pieces(text, cuts):
        update = renderer.feed(part)
        assert final <= update.start <= shown  # what is final never changes
        final, shown = update.start, update.start + len(update.blocks)
    assert renderer.finish(text) == whole


@settings(max_examples=200, deadline=None)
@given(MARKDOWN, st.lists(st.integers(0, 10_000), max_size=12))
def test_what_is_final_while_it_streams_begins_the_whole(text: str, cuts: list[int]) -> None:
    text = text.replace("]:", "] ").replace("[^", "[")  # what is defined below changes what stands above, at the end
    renderer = StreamRenderer(2, "abc")
    blocks: list[str] = []
    final = 0
    for part in pieces(text, cuts):
        update = renderer.feed(part)
        blocks[update.start :] = update.blocks
        final = max(final, update.start)
    assert render(text, 2, "abc").startswith("".join(blocks[:final]))


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_an_answer_streams_as_it_is_rendered_whole(step: int) -> None:
    renderer = StreamRenderer(2, "abc")
    for start in range(0, len(TEXT), step):
        renderer.feed(TEXT[start : start + step])
    assert renderer.finish(TEXT) == render(TEXT, 2, "abc")
    assert StreamRenderer(2, "abc").finish(TEXT) == render(TEXT, 2, "abc")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("It is **bo", "<p>It is <strong>bo</strong></p>"),
        ("It is **bold*", "<p>It is <strong>bold</strong></p>"),
        ("It is **", "<p>It is</p>"),
        ("an *it", "<p>an <em>it</em></p>"),
        ("**a *b", "<p><strong>a <em>b</em></strong></p>"),
        ("2 * 3 and 2*3", "<p>2 * 3 and 2*3</p>"),
        ("a_snake", "<p>a_snake</p>"),
        ("~~gone", "<p><s>gone</s></p>"),
        ("run `ma", "<p>run <code>ma</code></p>"),
        ("see [the te", "<p>see the te</p>"),
        ("see [the text](https://exa", "<p>see the text</p>"),
        ("see <https://exa", "<p>see https://exa</p>"),
        ("![a pict", "<p>a pict</p>"),
        ("so [1", "<p>so</p>"),
        ("so[^", "<p>so</p>"),
        ("where $x^", "<p>where <code>x^</code></p>"),
        ("where \\(x^2 + ", "<p>where <code>x^2 +</code></p>"),
        ("Now:\n$$\nx^2\n", '<p>Now:</p>\n<p><code class="formula">x^2</code></p>'),
        ("Now:\n-", "<p>Now:</p>"),
        ("Now:\n--", "<p>Now:</p>"),
        ("Now:\n#", "<p>Now:</p>"),
        ("Now:\n1.", "<p>Now:</p>"),
        ("Now:\n``", "<p>Now:</p>"),
        ("Now:\n\n| a | b", "<p>Now:</p>"),
        ("Now:\n\n| a | b |\n", "<p>Now:</p>"),
        ("Now:\n\n| a | b |\n|--", "<p>Now:</p>"),
        ("- a\n- **b", "<ul>\n<li>a</li>\n<li><strong>b</strong></li>\n</ul>"),
        ("- a\n- [", "<ul>\n<li>a</li>\n</ul>"),
    ],
)
def test_what_is_half_written_looks_as_it_will(text: str, shown: str) -> None:
    assert stream(list(text)).strip() == shown


def test_half_a_table_row_is_a_row_and_an_open_fence_is_code() -> None:
    table = stream(list("| a | b |\n|---|---|\n| **1"))
    assert "<td><strong>1</strong></td>\n<td></td>" in table
    assert "<code>x = 1</code>" in re.sub("</?span[^>]*>", "", stream(list("```\nx = 1")))
    assert "--" in stream(["```\n", "--"])


def test_streaming_parses_only_the_last_block_again() -> None:
    renderer = StreamRenderer()
    for number in range(50):
        update = renderer.feed(f"Paragraph {number}.\n\n")
        assert update.start == max(0, number - 1)
        assert len(update.blocks) <= 2


# --- Bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *("x" * 1_000_000, "[" * 100_000, ">" * 10_000, "> " * 10_000, "- " * 10_000, "![" * 50_000, "[^" * 50_000),
        *("\\(" * 50_000, "*a **b " * 20_000, "`a``b" * 20_000, "[a](" * 30_000, "$$\na" * 20_000, "<a:" * 30_000),
        *("http://a@" * 10_000, "a@b." * 25_000, "www.a" * 20_000, "https://a/" + ")" * 100_000, "[http://a" * 10_000),
        "".join("  " * depth + "- a\n" for depth in range(300)),
    ],
    ids=lambda text: f"{text[:4]!r} times many",
)
def test_what_never_ends_is_rendered(text: str) -> None:
    assert render(text)


def test_ten_thousand_citations_are_ten_thousand_links() -> None:
    assert render("A word [1]. " * 10_000, 1, "abc").count('class="cite"') == 10_000


def test_a_stream_without_a_break_is_rendered_ever_more_seldom() -> None:
    renderer = StreamRenderer()
    rendered = sum(len(block) for _ in range(50_000) for block in renderer.feed("twenty characters___").blocks)
    assert rendered < 20 * 1_000_000
    assert renderer.finish("twenty characters___" * 50_000).count("twenty") == 50_000


@pytest.mark.parametrize(
    ("head", "part"),
    [
        ("Here:\n\n| name | price |\n|---|--:|\n", "| **item** [1] | 2.50 |\n"),
        ("", "- point\n  - another [1]\n"),
        ("See [a].\n\n[a]: https://example.org\n", "1. point [a] and what it says\n"),
    ],
    ids=["table", "list", "numbered list"],
)
def test_a_step_renders_so_much_and_no_more_however_long_a_table_or_list_becomes(head: str, part: str) -> None:
    text = head + part * 1500
    renderer = StreamRenderer(1, "abc")
    shown: list[str] = []
    for start in range(0, len(text), 500):
        update = renderer.feed(text[start : start + 500])
        shown[update.start :] = update.blocks
        assert sum(map(len, update.blocks)) < 150_000
    assert renderer.finish(text) == render(text, 1, "abc")
    if "|" in head:
        assert all("<th>name</th>" in block for block in shown[1:]), "each piece has its head"
    count = "".join(shown).count("point") + "".join(shown).count("item")
    assert 1300 < count <= 1500


def test_a_list_without_end_is_rendered_ever_more_seldom() -> None:
    renderer = StreamRenderer()
    assert sum(bool(renderer.feed(f"- point {number}\n").blocks) for number in range(2000)) < 450
