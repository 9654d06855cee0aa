"""JSON Schemas of what pseudolabel writes (installed as pseudolabel_schemas)."""
