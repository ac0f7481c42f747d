"""From config and SQL files to published Parquet: config, models, plan, execution, publication."""
