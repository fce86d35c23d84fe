ALTER TABLE tag_uses ADD COLUMN is_withdrawn boolean NOT NULL DEFAULT false;
