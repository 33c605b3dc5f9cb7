"""The trainer: claims runs, supervises one process each, and turns a spec into an adapter."""
