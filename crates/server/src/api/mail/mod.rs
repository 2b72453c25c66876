//! Mail, as far as a tenant sets it: the relay, who is told besides, and the words.

mod set;
mod show;
mod template;
mod test;

use serde::Serialize;
use utoipa::ToSchema;

pub(super) use test::Tried;

use super::route::Route;
use crate::notices::settings::Mail;
use crate::problem::Problem;
use quell_notify::Kind;

/// The routes of mail.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        show::route(),
        set::route(),
        test::route(),
        template::show_route(),
        template::set_route(),
        template::preview_route(),
        template::reset_route(),
    ]
}

/// How a tenant sends mail.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct MailSettings {
    /// Whether any is sent.
    enabled: bool,
    /// The sender's address; `null` where nothing was set up.
    #[schema(format = Email)]
    from: Option<String>,
    /// The sender's name.
    from_name: Option<String>,
    /// The relay.
    smtp: Option<Smtp>,
    /// Who is told besides those whose business it is.
    recipients: Vec<String>,
    /// Of which kinds; all where empty.
    kinds: Vec<&'static str>,
}

/// A mail relay, without its password.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Smtp {
    host: String,
    port: u16,
    /// `starttls`, `tls`, or `none` (on the server's own machine only).
    tls: String,
    /// The name that it asks for.
    username: Option<String>,
    /// Whether a password is kept. It is never shown.
    has_password: bool,
    /// Certificates to believe instead of the system's, PEM.
    ca: Option<String>,
}

impl MailSettings {
    fn of(mail: Mail) -> Self {
        Self {
            enabled: mail.enabled,
            from: Some(mail.from),
            from_name: Some(mail.from_name),
            smtp: Some(Smtp {
                host: mail.host,
                port: mail.port,
                tls: tls_name(mail.security).to_owned(),
                username: mail.username,
                has_password: mail.password.is_some(),
                ca: mail.ca,
            }),
            recipients: mail.recipients,
            kinds: mail.kinds.into_iter().map(Kind::as_str).collect(),
        }
    }
}

const fn tls_name(security: quell_notify::mail::Security) -> &'static str {
    match security {
        quell_notify::mail::Security::StartTls => "starttls",
        quell_notify::mail::Security::Tls => "tls",
        quell_notify::mail::Security::None => "none",
    }
}

/// Kinds of notices by their names.
pub(super) fn kinds(names: &[String]) -> Result<Vec<Kind>, Problem> {
    let known = || Kind::ALL.map(Kind::as_str).join(", ");
    let mut kinds = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let kind = Kind::from_name(name).ok_or_else(|| {
            Problem::bad_field(format!("kinds[{index}]"), format!("must be one of {}", known()))
        })?;
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}
