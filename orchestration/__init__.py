"""The asset graph, its schedules and its settings. Imports `serving` and `ingestion`; nothing imports it but the command line."""
