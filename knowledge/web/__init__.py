"""Web pages and sites as documents."""
