-- Tasks that were asked for from an incident, in the order in which they are listed: few among all.
CREATE INDEX task_origin ON task (tenant_id, id) WHERE incident_id IS NOT NULL;

-- What other products told of an endpoint: looked at when a chain of it comes.
CREATE INDEX detection_of_products ON detection (tenant_id, endpoint_id, at) WHERE origin = 'product';
