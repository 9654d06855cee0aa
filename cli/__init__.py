"""The terminal of pseudolabel (installed as pseudolabel_cli)."""
