//! What is counted, in the text format of OpenMetrics.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::state::App;

/// Labels of an answered request. The route is its pattern, so that their number is bounded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: String,
    route: String,
    status: u16,
}

/// Labels of a duration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Timed {
    route: String,
}

/// Labels of a change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Changed {
    kind: String,
    state: String,
}

/// All that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<Timed, Histogram>,
    changes: Family<Changed, Counter>,
    /// Requests refused for their key.
    pub refused_keys: Counter,
    /// Sign-ins and confirmations that failed.
    pub refused_logins: Counter,
    /// Open connections on the people's port.
    pub connections: Gauge,
    /// Open live streams.
    pub streams: Gauge,
    /// Agents that hold a session.
    pub sessions: Gauge,
    signer: Gauge,
    signed: Counter,
    unsigned: Counter,
    signer_connections: Counter,
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("quell");
        let requests = Family::default();
        let seconds = Family::new_with_constructor(histogram as fn() -> Histogram);
        let changes = Family::default();
        let (refused_keys, connections, streams, sessions) =
            (Counter::default(), Gauge::default(), Gauge::default(), Gauge::default());
        registry.register("http_requests", "Answered requests of people and programs", requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time until an answer began",
            Unit::Seconds,
            seconds.clone(),
        );
        registry.register(
            "changes",
            "Changes of tasks, commands, endpoints and deliveries of notices by their new state",
            changes.clone(),
        );
        registry.register("refused_keys", "Requests refused for their API key", refused_keys.clone());
        let refused_logins = Counter::default();
        registry.register("refused_logins", "Sign-ins and confirmations that failed", refused_logins.clone());
        registry.register("http_connections", "Open connections of people and programs", connections.clone());
        registry.register("event_streams", "Open live streams", streams.clone());
        registry.register("agent_sessions", "Agents that hold a session", sessions.clone());
        let (signer, signed, unsigned, signer_connections) =
            (Gauge::default(), Counter::default(), Counter::default(), Counter::default());
        registry.register("signer_connected", "Whether the signer is there", signer.clone());
        registry.register("signed_orders", "Orders that the signer signed", signed.clone());
        registry.register("refused_orders", "Orders that the signer refused", unsigned.clone());
        registry.register(
            "signer_connections",
            "Connections made to the signer: each after the first found it again",
            signer_connections.clone(),
        );
        Self {
            registry,
            requests,
            seconds,
            changes,
            refused_keys,
            refused_logins,
            connections,
            streams,
            sessions,
            signer,
            signed,
            unsigned,
            signer_connections,
        }
    }

    /// A request was answered.
    pub fn answered(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        // A method is the caller's text; only the usual ones become a label.
        let method = match *method {
            Method::GET
            | Method::POST
            | Method::PUT
            | Method::DELETE
            | Method::HEAD
            | Method::PATCH
            | Method::OPTIONS => method.as_str(),
            _ => "other",
        };
        let answered =
            Answered { method: method.to_owned(), route: route.to_owned(), status: status.as_u16() };
        self.requests.get_or_create(&answered).inc();
        self.seconds.get_or_create(&Timed { route: route.to_owned() }).observe(took.as_secs_f64());
    }

    /// Takes over what the way to the signer counted.
    fn signs(&self, client: &quell_signer::Client) {
        let stats = client.stats();
        self.signer.set(i64::from(client.is_connected()));
        for (counter, now) in [
            (&self.signed, stats.signed),
            (&self.unsigned, stats.refused),
            (&self.signer_connections, stats.connections),
        ] {
            counter.inc_by(now.saturating_sub(counter.get()));
        }
    }

    /// Something changed.
    pub fn changed(&self, kind: &str, state: &str) {
        self.changes.get_or_create(&Changed { kind: kind.to_owned(), state: state.to_owned() }).inc();
    }
}

fn histogram() -> Histogram {
    Histogram::new([0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0])
}

/// `GET /metrics`: open on loopback to who sends no key, with a key elsewhere (see [`crate::auth::guard`]).
pub(crate) async fn show(State(app): State<App>) -> Response {
    app.metrics.sessions.set(app.sessions.count() as i64);
    app.metrics.signs(app.signer.client());
    let mut body = String::new();
    if text::encode(&mut body, &app.metrics.registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], body)
        .into_response()
}
