"""What the composer tells its script."""

from __future__ import annotations

import json
from collections.abc import Iterable

from django import template

from providers.prices import find_price

register = template.Library()


@register.filter
def prices(models: Iterable[str]) -> str:
    """Dollars for a million prompt tokens, by model, as JSON; without those whose price nobody told us."""
    known = {model: find_price(model) for model in models}
    return json.dumps({model: price.prompt for model, price in known.items() if price is not None})
