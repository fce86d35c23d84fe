"""One generated matrix of privacy: relation × visibility × method × push.

`relations` has the relations and the one rule, `world` the users and their things, `building` what they did before the
relations changed. Each domain has a file with a row for each of its methods and pushes (`rows`): a row says what a call
or a push is about, and the rule says who may see that. `matrix` puts them together.
"""
