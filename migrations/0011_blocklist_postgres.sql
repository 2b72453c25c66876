
-- The target of a command may be a service, which is no row of `endpoint`.
ALTER TABLE command DROP CONSTRAINT command_tenant_id_endpoint_id_fkey;
