"""One module a verb, loaded when the verb is called. :data:`lakehouse.cli.app.VERBS` names them."""
