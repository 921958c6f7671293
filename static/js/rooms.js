// What every page has but the chat.

// On a narrow page the chosen tab may lie beyond the edge.
for (const chosen of document.querySelectorAll(".tabs [aria-current], .states [aria-current]")) {
  chosen.scrollIntoView({ inline: "center", block: "nearest" });
}
