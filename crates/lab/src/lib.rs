//! Endpoints made of namespaces on one machine, and simulated ones in bulk.
