"""Write docs/tables.md from the schemas, and docs/settings.md from the configuration."""

from pathlib import Path

from backorder_forecast import config, tables

if __name__ == "__main__":
    for name, page in (("tables.md", tables.markdown()), ("settings.md", config.markdown())):
        Path(__file__).with_name(name).write_text(page, encoding="utf-8")
