//! For which tenant a request is meant. A session can move to another tenant while a page of the one before is still
//! open: what is asked from that page must not happen in the other.

use http::HeaderMap;
use uuid::Uuid;

use crate::api::query::parse_id;
use crate::problem::{Code, Problem};

/// The header that says it: the tenant's id.
const HEADER: &str = "quell-tenant";

/// Refuses a request that is meant for another tenant than `tenant`. One that does not say is meant for it.
pub(super) fn check(headers: &HeaderMap, tenant: Uuid) -> Result<(), Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(()) };
    let meant = value.to_str().ok().and_then(parse_id).filter(|_| values.next().is_none());
    let meant = meant
        .ok_or_else(|| Problem::new(Code::InvalidHeader, "Quell-Tenant: must be the id of one tenant"))?;
    if meant == tenant {
        return Ok(());
    }
    let detail = "the request is meant for another tenant than the one that its session or key stands for";
    Err(Problem::new(Code::TenantChanged, detail)
        .hint("Reload the page: the session was moved to another tenant meanwhile. Nothing was done."))
}
