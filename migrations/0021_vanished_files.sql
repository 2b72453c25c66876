-- Files that came and went with their directory while a chain was open: agents tell them apart from what they lost. Chains of
-- before have them among the lost.
ALTER TABLE chain ADD COLUMN vanished_files BIGINT NOT NULL DEFAULT 0;
