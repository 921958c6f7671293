"""Words of a page that come from no catalog: in the language of `tests.pseudo` they stand outside of ⟦brackets⟧."""

from __future__ import annotations

import re

from playwright.sync_api import Page

LANGUAGE = "eo"
CATALOG = """
    globalThis.gettext = (text) => `⟦${text}⟧`;
    globalThis.ngettext = (one, more, n) => gettext(n === 1 ? one : more);
    globalThis.interpolate = (text, values, isNamed) => isNamed
        ? text.replace(/%\\((\\w+)\\)s/g, (_, name) => String(values[name]))
        : values.reduce((told, value) => told.replace("%s", () => String(value)), text);
"""
# What people wrote, what a model wrote, code and pictures; of the admin's tables what is stored.
CONTENT = """
    script, style, template, noscript, code, pre, kbd, .plot-ticks, .prose, .bubble, .locator,
    .source-name, .suggestion, .kind, .asked,
    .conversations a, .page-title, .project-name, .nav-title, .who, .brand, .entry, .answer > header, .document h2,
    .document-note, .project-card h2, option, time, .evidence, .stages > summary, .menu-items, [data-announce],
    #result_list td, #result_list th a, #changelist-filter, .material-symbols-outlined, .simplebar-content-wrapper
"""
NAMES = re.compile(
    r"PolyAI( handbook)?|polyai-handbook|\w+@example\.org|https?://\S+|alice|[\w-]+\.md|A title by the model"
    r"|What is a project\?|\b(Ctrl|Shift|MD|UTC|ms|min|en|de|je)\b|^(PDF|DOCX)[ ,A-Z]*$|[\w-]+-model"
    r"|It holds documents.*"
)
OUTSIDE = r"""(content) => {
    const found = [];
    let depth = 0, block = null;
    const outside = (text) => [...text].filter((c) => {
        depth += c === "⟦";
        const isOut = depth === 0;
        depth -= c === "⟧" && depth > 0;
        return isOut;
    }).join("");
    const blockOf = (element) => {
        while (element.parentElement && getComputedStyle(element).display.startsWith("inline"))
            element = element.parentElement;
        return element;
    };
    const walker = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (element.closest("script, style, template, noscript")) continue;
        const mine = blockOf(element);  // a sentence may have links in it, but ends with its block
        if (mine !== block && !(depth && block.contains(mine))) [depth, block] = [0, mine];
        const text = outside(walker.currentNode.data);
        if (!element.closest(content)) found.push(text);
    }
    for (const element of document.querySelectorAll("*"))
        for (const name of ["title", "placeholder", "alt", "aria-label", "aria-description", "data-confirm"]) {
            depth = 0;
            if (!element.closest(content)) found.push(outside(element.getAttribute(name) ?? ""));
        }
    return found;
}"""


def words(page: Page) -> list[str]:
    told: list[str] = page.evaluate(OUTSIDE, CONTENT)
    return [text.strip() for text in told if re.search(r"[^\W\d_]{2}", NAMES.sub("", text.strip()))]
