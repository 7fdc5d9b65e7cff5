"""One module a page; each ends with its `PAGES`."""
