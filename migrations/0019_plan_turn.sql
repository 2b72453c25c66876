-- Steps of a response plan whose turn has not come are left out where the queue of an endpoint is looked at: a plan that waits
-- does not stand before what others ask of the endpoint.

ALTER TABLE command ADD COLUMN held BIGINT NOT NULL DEFAULT 0;
UPDATE command SET held = 1 WHERE ended_at IS NULL AND state IN ('pending_approval', 'queued')
    AND EXISTS (SELECT 1 FROM response_step s WHERE s.tenant_id = command.tenant_id AND s.task_id = command.task_id);
DROP INDEX command_open;
CREATE INDEX command_open ON command (tenant_id, endpoint_id, state, held, priority, id) WHERE ended_at IS NULL;

-- A repeat of the same request, under the same key by the same requester, is answered with the first plan.
ALTER TABLE response_plan ADD COLUMN idempotency_key TEXT;
ALTER TABLE response_plan ADD COLUMN request_digest BYTEA;
CREATE UNIQUE INDEX response_plan_idempotency ON response_plan (tenant_id, requester_kind, requester_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
