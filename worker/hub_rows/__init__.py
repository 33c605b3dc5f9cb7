"""Rows of datasets on the Hub: `python -m worker.hub_rows FOLDER` fetches their Parquet files and reads none."""
