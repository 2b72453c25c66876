//! Whose investigation kits the library takes.

mod add;
mod list;
mod remove;

use quell_store::kit_key;
use quell_wire::keys::key_id;
use serde::Serialize;
use utoipa::ToSchema;

use super::export::Cells;
use super::route::Route;
use super::time;

/// The routes of keys of kits.
pub(crate) fn routes() -> Vec<Route> {
    vec![add::route(), list::route(), remove::route()]
}

/// A key whose investigation kits the library takes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KitKey {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// Who signs with it, as people call them.
    name: String,
    /// The Ed25519 public key, lower-case hex, as orders name it.
    public: String,
    /// The key's short name.
    key_id: String,
    /// Who registered it.
    created_by: String,
    /// When.
    #[schema(format = DateTime)]
    created_at: String,
}

impl KitKey {
    fn of(row: kit_key::KitKey) -> Self {
        Self {
            id: row.id.to_string(),
            key_id: bytes(&row.public).map(|key| key_id(&key)).unwrap_or_default(),
            name: row.name,
            public: row.public,
            created_by: row.created_by,
            created_at: time::text(row.created_at),
        }
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(hex.get(at * 2..at * 2 + 2)?, 16).ok()).collect()
}

impl Cells for KitKey {
    const COLUMNS: &'static [&'static str] = &["id", "name", "public", "key_id", "created_by", "created_at"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.name.clone(),
            self.public.clone(),
            self.key_id.clone(),
            self.created_by.clone(),
            self.created_at.clone(),
        ]
    }
}
