//! What agents say that they enforce.

use uuid::Uuid;

use crate::{Error, Micros, Tx, tx::sql};

/// What an agent says that it enforces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its endpoint.
    pub endpoint_id: Uuid,
    /// Which version.
    pub version: i64,
    /// Since when, its clock.
    pub applied_at: Micros,
    /// When it said so.
    pub reported_at: Micros,
    /// JSON: what is enforced of each kind.
    pub kinds: String,
}

sql! {
    REPORT = "INSERT INTO blocklist_agent (tenant_id, endpoint_id, version, applied_at, reported_at, kinds) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id, endpoint_id) DO UPDATE SET version = excluded.version, \
        applied_at = excluded.applied_at, reported_at = excluded.reported_at, kinds = excluded.kinds";
    REPORTS = "SELECT e.id, e.name, a.version, a.applied_at, a.reported_at, a.kinds FROM endpoint e \
        LEFT JOIN blocklist_agent a ON a.tenant_id = e.tenant_id AND a.endpoint_id = e.id \
        WHERE e.tenant_id = $1 AND e.state = 'active' AND e.id > $2 ORDER BY e.id LIMIT $3";
}

/// Keeps what an agent says.
pub fn report(tx: &mut Tx<'_>, tenant: Uuid, report: &Report) -> Result<(), Error> {
    let Report { endpoint_id, version, applied_at, reported_at, kinds } = report;
    tx.execute(REPORT, &[&tenant, endpoint_id, version, applied_at, reported_at, kinds]).map(drop)
}

/// Active endpoints in the order of their ids, after this one, each with its name and what its agent said.
pub fn reports(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    after: Uuid,
    limit: i64,
) -> Result<Vec<(Uuid, String, Option<Report>)>, Error> {
    tx.query(REPORTS, &[&tenant, &after, &limit], |mut row| {
        let (endpoint_id, name) = (row.take()?, row.take()?);
        let (version, applied_at, reported_at): (Option<_>, Option<_>, Option<_>) =
            (row.take()?, row.take()?, row.take()?);
        let kinds: Option<String> = row.take()?;
        let report = version.zip(applied_at).zip(reported_at).zip(kinds).map(
            |(((version, applied_at), reported_at), kinds)| Report {
                endpoint_id,
                version,
                applied_at,
                reported_at,
                kinds,
            },
        );
        Ok((endpoint_id, name, report))
    })
}
