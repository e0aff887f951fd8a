"""Write docs/tables.md from the schemas."""

from pathlib import Path

from backorder_forecast.tables import markdown

if __name__ == "__main__":
    Path(__file__).with_name("tables.md").write_text(markdown(), encoding="utf-8")
