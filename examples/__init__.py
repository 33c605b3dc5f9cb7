"""The demo dataset, the demo base model and the scripts that make and try them."""
