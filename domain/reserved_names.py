"""Usernames that cannot be registered: they seem to speak for DAIRA, or appear in addresses."""

_RESERVED = """
    about abuse account accounts admin administration administrator administrators admins anonymous api app apps
    assistant auth billing blog bot bots careers ceo cofounder community compliance contact copyright customercare
    customerservice daira dairaapp dairaofficial dairasupport dairateam deleted developer developers dns everyone
    explore feedback ftp founder guest headquarters help helpcenter helpdesk here home hostmaster info invite jobs
    legal localhost login logout mail mailerdaemon me mod moderation moderator moderators mods news nobody none
    noreply notifications null official officialdaira operator owner password payments policy postmaster press
    privacy profile register report root safety sales search security service settings signin signup staff status
    store superuser support supportteam sysadmin sysop system team terms trust undefined unknown user username users
    verification verified verify webmaster www
"""
# Digits and letters that look like another letter. Both sides of a comparison are folded.
_READ_AS = str.maketrans("0134578l", "oieastbi", "._")


def is_reserved(username: str) -> bool:
    """Whether the name is reserved, whatever its case and punctuation, also with digits in place of letters."""
    return _fold(username) in _FOLDED


def _fold(name: str) -> str:
    return name.lower().translate(_READ_AS)


_FOLDED = frozenset(map(_fold, _RESERVED.split()))
