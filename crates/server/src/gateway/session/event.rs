//! What happens on an endpoint without an order: rules repaired, isolation over. Kept in the audit, shown at once.

use quell_engine::Change;
use quell_store::{Error as StoreError, Tx, audit, endpoint};
use quell_wire::frame::{Event, Rejected};
use quell_wire::limits;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::facts::clean;
use super::{Flow, Session};

/// What an event says of the endpoint's isolation.
#[derive(Clone, Copy)]
enum Standing {
    /// Its rules are gone and could not be put back: a person should look at it.
    Broken,
    /// Its rules are there again.
    Mended,
    /// It is not isolated any more.
    Over,
}

impl Standing {
    fn of(kind: &str) -> Option<Self> {
        match kind {
            "isolation_broken" => Some(Self::Broken),
            "isolation_repaired" => Some(Self::Mended),
            "isolation_released_locally" | "isolation_lifted" | "isolation_reverted" => Some(Self::Over),
            _ => None,
        }
    }

    fn note(self, tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<(), StoreError> {
        match self {
            Self::Broken => endpoint::isolation_broken(tx, tenant, id),
            Self::Mended => endpoint::isolation_mended(tx, tenant, id),
            Self::Over => endpoint::set_isolation(tx, tenant, id, None),
        }
    }
}

impl Session {
    /// Keeps an event.
    pub(super) async fn note_event(&mut self, event: Event) -> Flow {
        let is_code = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let detail: Option<Value> = match event.detail.as_slice() {
            [] => Some(json!({})),
            detail => serde_json::from_slice(detail).ok(),
        };
        let Some(detail) = detail.filter(|detail| detail.is_object() && is_code(&event.kind)) else {
            return self.strike("an event is no code with a JSON object").await;
        };
        // Pinned by hand while it was connected: from now on it takes what the tenant's root says later.
        let pinned = detail.get("serial").and_then(Value::as_u64).filter(|_| event.kind == "trust_pinned");
        let standing = Standing::of(&event.kind);
        let detail = json!({ "event": event.kind, "at_us": event.at_us, "detail": detail });
        let flow = self.keep(&format!("endpoint.{}", event.kind), "ok", detail, standing).await;
        if let Some(serial) = pinned {
            self.trust_serial = serial;
            if self.send_trust().await.is_err() {
                return Flow::End;
            }
        }
        flow
    }

    /// Keeps that the agent refused an order which this server did not give it.
    pub(super) async fn note_stray(&mut self, rejected: &Rejected) -> Flow {
        let code = clean(&rejected.reason_code, limits::CODE).unwrap_or_default();
        let detail = json!({
            "order_sha256": quell_wire::digest::hex(&rejected.order_sha256),
            "message": clean(&rejected.message, limits::MESSAGE),
        });
        self.keep("endpoint.stray_order", &code, detail, None).await
    }

    async fn keep(&mut self, verb: &str, outcome: &str, detail: Value, standing: Option<Standing>) -> Flow {
        let now = self.shared.now_us();
        if !self.budget.may_note(now) {
            tracing::warn!(endpoint.id = %self.endpoint(), verb, "an agent reports too much; this was not kept");
            return Flow::Continue;
        }
        let (tenant, endpoint) = (self.tenant(), self.endpoint());
        let record = audit::Record {
            tenant_id: tenant,
            id: Uuid::now_v7(),
            at: now,
            actor_kind: "endpoint".to_owned(),
            actor_id: endpoint.to_string(),
            actor_name: self.name.to_string(),
            verb: verb.to_owned(),
            object_kind: "endpoint".to_owned(),
            object_id: endpoint.to_string(),
            outcome: outcome.to_owned(),
            detail: detail.to_string(),
            request_id: None,
            remote: Some(self.remote.ip().to_string()),
        };
        let written = self.shared.store.write(move |tx| {
            if let Some(standing) = standing {
                standing.note(tx, tenant, endpoint)?;
            }
            audit::append(tx, &record)
        });
        match written.await {
            Ok(()) => {
                self.shared.engine.changes().tell(Change::Endpoint { tenant, endpoint });
                Flow::Continue
            }
            Err(error) => {
                let error: StoreError = error;
                tracing::error!(error = &error as &dyn std::error::Error, "an event was not written");
                Flow::Continue
            }
        }
    }
}
