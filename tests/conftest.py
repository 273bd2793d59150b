pytest_plugins = ["lakehouse.testing"]
