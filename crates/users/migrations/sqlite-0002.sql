-- Revocations are read once a second by every process; permissions of a user end together.
CREATE INDEX revocations_by_time ON revocations (at);
CREATE INDEX password_resets_by_user ON password_resets (user_id);
-- New names must not look like those of staff.
CREATE INDEX users_of_staff ON users (id) WHERE role <> 'customer';
