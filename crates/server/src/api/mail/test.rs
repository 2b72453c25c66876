//! `POST /mail/test`.

use std::time::Duration;

use axum::extract::State;
use quell_notify::{Kind, Verdict, mail::Address, template::Template};
use quell_store::{audit, person, tenant};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission, Principal};
use crate::notices::{relay_reach, sample_letter, settings};
use crate::problem::{Code, Problem};
use crate::state::App;

/// How long the relay may take; less than a request may.
const TIME: Duration = Duration::from_secs(20);

pub(super) fn route() -> Route {
    permit(Permission::MailManage, routes!(test_mail))
}

/// To whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MailTest {
    /// Whose address; one's own where absent, or the first of the recipients.
    #[schema(format = Email)]
    to: Option<String>,
}

/// How it went.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tried {
    /// Whether the other side took it.
    sent: bool,
    /// What happened where it did not.
    problem: Option<String>,
}

impl Tried {
    /// From what the other side said.
    pub fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Sent => Self { sent: true, problem: None },
            Verdict::Retry { why, .. } | Verdict::Refused { why } => Self { sent: false, problem: Some(why) },
            Verdict::Gone => Self { sent: false, problem: Some("the receiver answered 410".to_owned()) },
        }
    }
}

/// Send a mail to see whether it arrives
///
/// It is tried once, while you wait. `sent` says that the relay took it.
#[utoipa::path(post, path = "/mail/test", tag = "notices", request_body = MailTest,
    responses((status = 200, body = Tried)))]
pub(super) async fn test_mail(
    State(app): State<App>,
    caller: Caller,
    Json(wanted): Json<MailTest>,
) -> Result<Json<Tried>, Problem> {
    let tenant_id = caller.tenant;
    let Found { mail, template, name, own } = find(&app, &caller).await?;
    let to = wanted.to.or(own).or_else(|| mail.recipients.first().cloned());
    let to = to.ok_or_else(|| Problem::bad_field("to", "needed: there are no recipients to choose from"))?;
    let to = Address::parse(&to).map_err(|bad| Problem::bad_field("to", bad.to_string()))?;
    let relay = mail.relay(&app.secrets).ok_or_else(|| {
        Problem::new(Code::Conflict, "the relay's password cannot be opened").hint("Set it again.")
    })?;
    let (now, address) = (app.now(), to.as_str().to_owned());
    let letter = sample_letter(&template, (&name, caller.name()), to, now)
        .map_err(|problem| Problem::new(Code::Conflict, format!("the template cannot be used: {problem}")))?;
    let sending = app.notices.mailer.send(&relay, relay_reach(&app, tenant_id), &letter);
    let verdict = tokio::time::timeout(TIME, sending).await.unwrap_or_else(|_| Verdict::Retry {
        why: format!("the relay took longer than {} s", TIME.as_secs()),
        after: None,
    });
    let tried = Tried::of(verdict);
    let detail = json!({ "to": address, "sent": tried.sent, "problem": tried.problem });
    let record = caller.record(now, "mail.test", "setting", settings::MAIL, &detail);
    app.store
        .write(move |tx| audit::append(tx, &record))
        .await
        .map_err(|error: quell_store::Error| Problem::from(error))?;
    Ok(Json(tried))
}

/// What a test mail is made of.
struct Found {
    mail: settings::Mail,
    template: Template,
    /// The tenant's name.
    name: String,
    /// The caller's own address.
    own: Option<String>,
}

async fn find(app: &App, caller: &Caller) -> Result<Found, Problem> {
    let tenant = caller.tenant;
    let me = matches!(caller.identity.principal, Principal::Person { .. }).then_some(caller.identity.id);
    app.store
        .read(move |tx| {
            let mail = settings::mail(tx, tenant)?.ok_or_else(|| {
                Problem::new(Code::Conflict, "mail is not set up").hint("`PUT /api/v1/mail` sets it up.")
            })?;
            Ok(Found {
                mail,
                template: settings::template(tx, tenant, Kind::Test)?,
                name: tenant::get(tx, tenant)?.map(|tenant| tenant.name).unwrap_or_default(),
                own: me.map(|me| person::get(tx, me)).transpose()?.flatten().map(|person| person.email),
            })
        })
        .await
}
