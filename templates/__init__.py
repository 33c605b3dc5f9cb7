"""The pages, as Jinja templates; a package so that the wheel carries them."""
