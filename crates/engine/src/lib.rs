//! Durable tasks: plan, approval, dispatch, outcome, verification, undo. Knows neither HTTP nor providers.
