//! A tenant's mail settings and templates, as they are stored. The password is sealed.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use quell_engine::Secrets;
use quell_notify::{
    Kind,
    mail::{Address, Relay, Security},
    template::Template,
};
use quell_store::{Error, Tx, setting};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::seal;

/// The name of the setting.
pub(crate) const MAIL: &str = "mail";
/// What the password is sealed for.
const PURPOSE: &str = "mail";

/// Mail of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mail {
    /// Whether any is sent.
    pub enabled: bool,
    /// The sender's address.
    pub from: String,
    /// The sender's name.
    pub from_name: String,
    /// The relay's host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way is protected.
    pub security: Security,
    /// The name that it asks for.
    pub username: Option<String>,
    /// The password, sealed, base 64.
    pub password: Option<String>,
    /// Certificates to believe instead of the system's, PEM.
    pub ca: Option<String>,
    /// Who is told besides those whose business it is.
    pub recipients: Vec<String>,
    /// Of which kinds; all where empty.
    pub kinds: Vec<Kind>,
}

impl Mail {
    /// Whether the recipients of the settings are told of this kind.
    pub fn wants(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// Whether a password that was given for the one may be used for the other: a secret goes nowhere else than where it
    /// was meant to go, and no less protected.
    pub fn is_same_relay(&self, other: &Self) -> bool {
        (&self.host, self.port, self.security, &self.username, &self.ca)
            == (&other.host, other.port, other.security, &other.username, &other.ca)
    }

    /// The relay, with its password opened; `None` where it cannot be, or an address is none.
    pub fn relay(&self, secrets: &Secrets) -> Option<Relay> {
        let login = match &self.username {
            None => None,
            Some(name) => {
                let sealed = STANDARD.decode(self.password.as_ref()?).ok()?;
                let password = Zeroizing::new(seal::open(secrets, PURPOSE, &sealed)?);
                Some((name.clone(), Zeroizing::new(std::str::from_utf8(&password).ok()?.to_owned())))
            }
        };
        Some(Relay {
            host: self.host.clone(),
            port: self.port,
            security: self.security,
            login,
            from: Address::parse(&self.from).ok()?,
            from_name: self.from_name.clone(),
            ca: self.ca.clone(),
        })
    }
}

/// Seals a password for storing; `None` when the system gives no randomness.
pub(crate) fn sealed(secrets: &Secrets, password: &str) -> Option<String> {
    seal::seal(secrets, PURPOSE, password.as_bytes()).map(|sealed| STANDARD.encode(sealed))
}

/// The tenant's mail settings, whether mail is sent or not.
pub(crate) fn mail(tx: &mut Tx<'_>, tenant: Uuid) -> Result<Option<Mail>, Error> {
    let Some(text) = setting::get(tx, tenant, MAIL)? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|_| Error::Corrupt("the mail settings".to_owned()))
}

/// The name of the setting that holds a kind's template.
pub(crate) fn template_name(kind: Kind) -> String {
    format!("mail.template.{}", kind.as_str())
}

/// The tenant's own template of a kind; empty where it has none.
pub(crate) fn template(tx: &mut Tx<'_>, tenant: Uuid, kind: Kind) -> Result<Template, Error> {
    let Some(text) = setting::get(tx, tenant, &template_name(kind))? else {
        return Ok(Template::default());
    };
    serde_json::from_str(&text).map_err(|_| Error::Corrupt("a mail template".to_owned()))
}
