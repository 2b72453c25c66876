//! A new way in for somebody where nobody can give them one over the API: whoever may read the server's own data directory
//! may do it, beside the server or without it. It is recorded like any other.

use std::path::Path;

use quell_access::email;
use quell_engine::{Clock as _, SystemClock};
use quell_store::{Options, Store, audit, passkey, person, session, ticket};
use serde_json::json;
use uuid::Uuid;

use crate::auth::ticket as tickets;
use crate::config::{Config, ConfigError};

/// Why there is no new way in.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The set-up cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is nothing.
    #[error("there is no database at {0}")]
    Absent(String),
    /// The database.
    #[error("the database cannot be used")]
    Store(#[from] quell_store::Error),
    /// Nobody.
    #[error("no account that is in use signs in with {0}")]
    Nobody(String),
    /// No randomness.
    #[error("the system gave no randomness")]
    Random,
}

/// Takes the password and the passkeys of an account, ends its sessions and answers the text of a link that sets a new one, once. The
/// one-time codes go too where `totp` says so.
///
/// # Errors
/// What keeps it from being done; then nothing was.
pub async fn recover(config: &Config, address: &str, totp: bool) -> Result<String, RecoverError> {
    let url = config.database_url()?;
    // To open makes what is absent.
    if let Some(path) = url.strip_prefix("sqlite:")
        && !Path::new(path.strip_prefix("//").unwrap_or(path)).exists()
    {
        return Err(RecoverError::Absent(path.to_owned()));
    }
    let now = SystemClock.now();
    let store = Store::open(&url, Options::default(), now).await?;
    let account = email::fold(address);
    let found = store.read(move |tx| person::by_local(tx, &account)).await?;
    let found = found.filter(|person| person.state != "disabled");
    let person = found.ok_or_else(|| RecoverError::Nobody(address.to_owned()))?;
    let made =
        tickets::make(person.tenant_id, person.id, ticket::RESET, now).map_err(|_| RecoverError::Random)?;
    let row = made.row.clone();
    let record = audit::Record {
        tenant_id: person.tenant_id,
        id: Uuid::now_v7(),
        at: now,
        actor_kind: "system".to_owned(),
        actor_id: "console".to_owned(),
        actor_name: "the server's own machine".to_owned(),
        verb: "person.reset".to_owned(),
        object_kind: "person".to_owned(),
        object_id: person.id.to_string(),
        outcome: "ok".to_owned(),
        detail: json!({ "name": person.name, "email": person.email, "totp": totp }).to_string(),
        request_id: None,
        remote: None,
    };
    let done: Result<(), quell_store::Error> = store
        .write(move |tx| {
            person::set_password(tx, person.id, None, now)?;
            if totp {
                person::set_totp(tx, person.id, None, None)?;
            }
            passkey::delete_all(tx, person.tenant_id, person.id)?;
            session::revoke_others(tx, person.id, Uuid::nil(), now)?;
            ticket::void(tx, person.id, now)?;
            ticket::insert(tx, &row)?;
            audit::append(tx, &record)
        })
        .await;
    store.close().await;
    done?;
    Ok(made.text)
}
