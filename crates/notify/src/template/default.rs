//! The texts that come with Quell.

use crate::Kind;

pub(super) const TEXT: &str = include_str!("notice.txt");
pub(super) const HTML: &str = include_str!("notice.html");

/// The subject, a template like any other.
pub(super) const fn subject(kind: Kind) -> &'static str {
    match kind {
        Kind::ApprovalRequested => {
            "[Quell] {% if entries|length > 1 %}{{ entries|length }} requests wait for your approval{% else %}{{ headline }}{% endif %}"
        }
        Kind::BreakGlass => "[Quell] BREAK-GLASS: {{ headline }}",
        Kind::ApprovalDecided
        | Kind::AutoApproved
        | Kind::TaskEnded
        | Kind::TaskFailed
        | Kind::IncidentOpened
        | Kind::PersonLocked
        | Kind::WebhookDisabled
        | Kind::Test => "[Quell] {{ headline }}{% if folded %} (and {{ folded }} more){% endif %}",
    }
}
