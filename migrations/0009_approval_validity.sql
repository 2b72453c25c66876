-- How long an approval is good at most, as the settings said when it was asked for.

ALTER TABLE approval_request ADD COLUMN valid_for BIGINT;

-- What the settings approved by themselves ends as what people approved does. A request whose task has ended leaves the
-- index: nothing is left to end.
DROP INDEX approval_request_validity;
CREATE INDEX approval_request_validity ON approval_request (valid_until)
    WHERE state IN ('approved', 'auto') AND valid_until IS NOT NULL;
