//! `PUT /mail`.

use axum::extract::State;
use quell_notify::mail::{Address, BadRelay, Security};
use quell_store::{audit, setting};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{MailSettings, kinds};
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::api::secret::Secret;
use crate::api::text;
use crate::auth::{Caller, Permission};
use crate::notices::relay_reach;
use crate::notices::settings::{self, Mail};
use crate::problem::{Code, Problem};
use crate::state::App;

/// The most recipients of the settings.
const RECIPIENTS: usize = 50;
/// The longest password, and the longest PEM.
const PASSWORD: usize = 500;
const PEM: usize = 64 << 10;

pub(super) fn route() -> Route {
    permit(Permission::MailManage, routes!(set_mail))
}

/// How mail is to be sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMailSettings {
    /// Whether any is sent; true where absent.
    enabled: Option<bool>,
    /// The sender's address.
    #[schema(format = Email, max_length = 254)]
    from: String,
    /// The sender's name; `Quell` where absent.
    #[schema(max_length = 100)]
    from_name: Option<String>,
    /// The relay.
    smtp: NewSmtp,
    /// Who is told besides those whose business it is.
    #[serde(default)]
    #[schema(max_items = 50)]
    recipients: Vec<String>,
    /// Of which kinds they are told; all where empty.
    #[serde(default)]
    kinds: Vec<String>,
}

/// A mail relay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSmtp {
    /// Its name or address.
    #[schema(max_length = 253)]
    host: String,
    /// 25, 465, 587 or 2525; 587 where absent.
    port: Option<u16>,
    /// `starttls`, `tls`, or `none` (on the server's own machine only); `starttls` where absent.
    tls: Option<String>,
    /// The name that it asks for.
    #[schema(max_length = 254)]
    username: Option<String>,
    /// The password. Where absent the one before stays, as long as nothing else of the relay changes.
    #[schema(value_type = Option<String>, max_length = 500, write_only)]
    password: Option<Secret>,
    /// Certificates to believe instead of the system's, PEM.
    #[schema(max_length = 65536)]
    ca: Option<String>,
}

/// Change how mail is sent
///
/// Nothing is connected to; `POST /mail/test` tries it.
#[utoipa::path(put, path = "/mail", tag = "notices", request_body = NewMailSettings,
    responses((status = 200, body = MailSettings)))]
pub(super) async fn set_mail(
    State(app): State<App>,
    caller: Caller,
    Json(wanted): Json<NewMailSettings>,
) -> Result<Json<MailSettings>, Problem> {
    let password = wanted.smtp.password.clone();
    let is_new = password.is_some();
    let mail = with_password(&app, caller.tenant, checked(wanted)?, password).await?;
    relay(&app, &caller, &mail)?;
    let (tenant, now) = (caller.tenant, app.now());
    let value = serde_json::to_string(&mail).map_err(|error| Problem::internal(&error))?;
    let detail = json!({
        "enabled": mail.enabled, "from": mail.from, "host": mail.host, "port": mail.port, "tls": super::tls_name(mail.security),
        "username": mail.username, "password_changed": is_new, "recipients": mail.recipients,
    });
    let record = caller.record(now, "mail.set", "setting", settings::MAIL, &detail);
    app.store
        .write(move |tx| {
            setting::set(tx, tenant, settings::MAIL, &value, now)?;
            audit::append(tx, &record)
        })
        .await?;
    Ok(Json(MailSettings::of(mail)))
}

/// The settings with the password that was given, or the one before where that is for the very same relay.
async fn with_password(
    app: &App,
    tenant: Uuid,
    mut mail: Mail,
    given: Option<Secret>,
) -> Result<Mail, Problem> {
    let wrong = |problem: &str| Problem::bad_field("smtp.password", problem);
    if let Some(given) = given {
        let password = given.reveal().unwrap_or_default();
        if password.is_empty() || password.len() > PASSWORD {
            return Err(wrong("must have 1 to 500 bytes"));
        }
        if mail.username.is_none() {
            return Err(Problem::bad_field("smtp.username", "needed with a password"));
        }
        let sealed = settings::sealed(&app.secrets, password)
            .ok_or_else(|| Problem::new(Code::Unavailable, "the system gave no randomness"))?;
        mail.password = Some(sealed);
    } else if mail.username.is_some() {
        let before = app.store.read(move |tx| settings::mail(tx, tenant)).await?;
        let kept = before.filter(|before| before.is_same_relay(&mail)).and_then(|before| before.password);
        mail.password = Some(
            kept.ok_or_else(|| wrong("needed, since the relay is another than the one it was given for"))?,
        );
    }
    Ok(mail)
}

fn checked(wanted: NewMailSettings) -> Result<Mail, Problem> {
    let address = |field: String, text: &str| {
        Address::parse(text)
            .map(|address| address.as_str().to_owned())
            .map_err(|bad| Problem::bad_field(field, bad.to_string()))
    };
    if wanted.recipients.len() > RECIPIENTS {
        return Err(Problem::bad_field("recipients", format!("more than {RECIPIENTS}")));
    }
    let recipients = wanted.recipients.iter().enumerate();
    let security = match wanted.smtp.tls.as_deref() {
        None | Some("starttls") => Security::StartTls,
        Some("tls") => Security::Tls,
        Some("none") => Security::None,
        Some(_) => return Err(Problem::bad_field("smtp.tls", "must be starttls, tls or none")),
    };
    if wanted.smtp.ca.as_ref().is_some_and(|ca| ca.len() > PEM) {
        return Err(Problem::bad_field("smtp.ca", format!("longer than {PEM} bytes")));
    }
    Ok(Mail {
        enabled: wanted.enabled.unwrap_or(true),
        from: address("from".to_owned(), &wanted.from)?,
        from_name: text::checked("from_name", wanted.from_name.as_deref().unwrap_or("Quell"), 100)?,
        host: wanted.smtp.host,
        port: wanted.smtp.port.unwrap_or(587),
        security,
        username: wanted.smtp.username.map(|name| text::checked("smtp.username", &name, 254)).transpose()?,
        password: None,
        ca: wanted.smtp.ca,
        recipients: recipients
            .map(|(index, text)| address(format!("recipients[{index}]"), text))
            .collect::<Result<_, _>>()?,
        kinds: kinds(&wanted.kinds)?,
    })
}

/// Whether the server may use the relay, as far as that can be seen without a connection.
fn relay(app: &App, caller: &Caller, mail: &Mail) -> Result<(), Problem> {
    let relay =
        mail.relay(&app.secrets).ok_or_else(|| Problem::bad_field("smtp.password", "cannot be used"))?;
    relay.check(relay_reach(app, caller.tenant)).map_err(|bad| {
        let field = match bad {
            BadRelay::Host | BadRelay::Forbidden => "smtp.host",
            BadRelay::Port => "smtp.port",
            BadRelay::Plain => "smtp.tls",
            BadRelay::Ca => "smtp.ca",
        };
        Problem::bad_field(field, bad.to_string())
    })
}
