
-- The library has one kind more.
ALTER TABLE library_item DROP CONSTRAINT library_item_kind_check;
ALTER TABLE library_item ADD CONSTRAINT library_item_kind_check
    CHECK (kind IN ('script', 'yara', 'query', 'evidence', 'kit', 'indicators', 'sigma'));
