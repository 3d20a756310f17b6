-- Permissions of a user end together.
CREATE INDEX password_resets_by_user ON password_resets (user_id);
