"""One generated matrix of privacy: relation × visibility × method × push.

`relations` has the relations and the one rule, `world` the users and their things, `calls` a row for each method and
`pushes` a row for each push. A row says what a call or an act is about; the rule says who may see it.
"""
