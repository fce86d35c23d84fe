"""The facts of statements of reasons, in Arabic and English."""

from typing import NamedTuple

from protocol.moderation import Action, ModeratedType, Reason


class Facts(NamedTuple):
    ar: str
    en: str


# Noun phrases, as in notifications: Arabic verbs agree with the gender of their subject.
_ACTIONS: dict[Action, Facts] = {
    "approve": Facts("بلا مخالفة", "No violation"),
    "warn": Facts("تنبيه", "Warning"),
    "label": Facts("إضافة علامة", "Labelled"),
    "limit": Facts("ظهور محدود", "Shown to fewer people"),
    "shadow": Facts("ظهور محدود", "Shown to fewer people"),
    "hold": Facts("حجب إلى حين المراجعة", "Hidden until it is reviewed"),
    "remove": Facts("إزالة", "Removed"),
    "suspend": Facts("إيقاف", "Suspended"),
    "ban": Facts("حظر نهائي", "Banned"),
}
_TARGETS: dict[ModeratedType, Facts] = {
    "post": Facts("منشور", "a post"),
    "comment": Facts("تعليق", "a comment"),
    "message": Facts("رسالة", "a message"),
    "media": Facts("ملف", "a file"),
    "room": Facts("مجلس", "a live room"),
    "room_message": Facts("رسالة في مجلس", "a message in a live room"),
    "user": Facts("الحساب", "the account"),
}
_REASONS: dict[Reason, Facts] = {
    "spam": Facts("محتوى مزعج متكرر", "spam"),
    "harassment": Facts("تحرش أو مضايقة", "harassment"),
    "hate": Facts("خطاب كراهية", "hate speech"),
    "violence": Facts("عنف أو تهديد", "violence or threats"),
    "sexual": Facts("محتوى جنسي", "sexual content"),
    "self_harm": Facts("إيذاء النفس", "self-harm"),
    "minors": Facts("خطر على القاصرين", "a danger to minors"),
    "scam": Facts("احتيال", "a scam"),
    "impersonation": Facts("انتحال شخصية", "impersonation"),
    "private_information": Facts("نشر معلومات خاصة", "private information"),
    "copyright": Facts("حقوق النشر", "copyright"),
    "illegal": Facts("محتوى مخالف للقانون", "illegal content"),
    "other": Facts("مخالفة لقواعد المجتمع", "a violation of the community's rules"),
}
_DECIDERS = {
    False: Facts("القرار من فريق الإشراف.", "Moderators decided this."),
    True: Facts("القرار آلي.", "This was decided automatically."),
}


def facts(target_type: ModeratedType, action: Action, reason: Reason, *, is_automatic: bool) -> Facts:
    """Describe a decision: its target, its reason, and whether a person decided it."""
    act, target, why, decider = _ACTIONS[action], _TARGETS[target_type], _REASONS[reason], _DECIDERS[is_automatic]
    return Facts(
        f"{act.ar}: {target.ar}. السبب: {why.ar}. {decider.ar}",
        f"{act.en}: {target.en}. Reason: {why.en}. {decider.en}",
    )
