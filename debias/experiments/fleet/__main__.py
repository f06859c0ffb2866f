"""Write the JSON Schema of manifests anew, beside those of the reports."""

from debias.experiments.fleet.schema import SCHEMA_FILE, schema_text

SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
