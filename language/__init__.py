"""One pipeline for texts in Arabic, English and Franco (Arabic in Latin letters): what two texts are compared by."""
