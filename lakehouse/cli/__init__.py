"""The command line ``lakehouse``. Start at :mod:`lakehouse.cli.app`; each verb is a module in ``verbs``."""
