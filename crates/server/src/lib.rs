//! REST, OpenAPI, agent gateway; wires agents into the engine.
