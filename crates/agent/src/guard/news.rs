//! What the guard tells, as events for the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quell_catalog::blocklist::report::Hit as Listed;
use quell_catalog::blocklist::{Action, Kind};
use quell_host::guard::{Attempt, Hit, News, Tell as Told};
use serde_json::json;

use super::CANARY_RULE;
use crate::outbox::Outbox;

/// Takes news on the sentry's thread.
pub struct Tell {
    outbox: Outbox,
    own: u32,
    list_version: Arc<AtomicU64>,
}

impl Tell {
    pub fn new(outbox: Outbox, list_version: Arc<AtomicU64>) -> Self {
        Self { outbox, own: std::process::id(), list_version }
    }

    pub fn tell(&self, news: News) {
        match news {
            News::Told(Told::Hit(hit)) => self.hit(&hit),
            News::Told(Told::Unchecked { path, pid, why }) => {
                let detail = json!({ "path": path, "pid": pid, "why": why });
                self.outbox.event("exec_unchecked", &detail);
            }
            News::Told(Told::Overflow) => self.outbox.event("guard_overflow", &json!({})),
            News::Told(Told::Pong { .. } | Told::Applied { .. } | Told::Broken { .. }) => {}
            News::Gone { why, after_ms } => {
                self.outbox.event("guard_gone", &json!({ "why": why, "after_ms": after_ms }));
            }
            News::Stuck { pid } => self.outbox.event("guard_stuck", &json!({ "pid": pid })),
            News::Back { gone_ms } => self.outbox.event("guard_back", &json!({ "gone_ms": gone_ms })),
        }
    }

    fn hit(&self, hit: &Hit) {
        // Our own questions to the kernel.
        if hit.rule == CANARY_RULE || hit.ppid == self.own {
            return;
        }
        if let Some(listed) = hit.rule.strip_prefix("block_list:") {
            self.listed(listed, hit);
            return;
        }
        let kind = match (hit.attempt, hit.denied) {
            (Attempt::Exec, true) => "exec_denied",
            (Attempt::Open, true) => "open_denied",
            (Attempt::Running, _) => "blocked_program_running",
            (Attempt::Exec | Attempt::Open, false) => "blocked_program_let_pass",
        };
        self.outbox.kept(kind, hit);
    }

    fn listed(&self, listed: &str, hit: &Hit) {
        let is_sha1 = listed == "sha1";
        let value = if is_sha1 { hit.sha1.clone().unwrap_or_default() } else { hit.sha256.clone() };
        let is_report = hit.let_pass.as_deref() == Some("report_only");
        let met = Listed {
            kind: if is_sha1 { Kind::Sha1 } else { Kind::Sha256 },
            value,
            action: if is_report { Action::Log } else { Action::Block },
            blocked: hit.denied,
            way: match hit.attempt {
                Attempt::Exec | Attempt::Running => "exec",
                Attempt::Open => "open",
            }
            .to_owned(),
            subject: hit.path.clone(),
            version: self.list_version.load(Ordering::Relaxed),
            count: 1,
            pid: Some(hit.pid),
            program: Some(hit.name.clone()),
            user: hit.uid.map(|uid| uid.to_string()),
        };
        self.outbox.hit(&met, Some(hit));
    }
}
