//! `POST /session`: signing in with a password.

use axum::extract::State;
use axum::response::Response;
use quell_access::email;
use quell_store::person::{self, Person};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::body::JsonUpTo;
use crate::api::route::{Route, open};
use crate::api::secret::Secret;
use crate::auth::lockout::Try;
use crate::auth::login::{self, Deliver, SessionBegun, Wanted};
use crate::auth::origin::Origin;
use crate::auth::password::{self, Second, Used};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    open(routes!(sign_in))
}

/// Who signs in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    /// The e-mail address of the account.
    #[schema(max_length = 254)]
    email: String,
    /// Its password.
    #[schema(value_type = String, format = Password)]
    password: Secret,
    /// A one-time code, where the account asks for one.
    #[schema(value_type = Option<String>)]
    totp: Option<Secret>,
    /// A recovery code in its place.
    #[schema(value_type = Option<String>)]
    recovery: Option<Secret>,
    /// How the token travels.
    #[serde(default)]
    deliver: Deliver,
    /// In which tenant; at home where absent.
    tenant: Option<Uuid>,
}

/// Sign in with a password
///
/// Every sign-in that fails is answered alike. `totp_needed` comes only after a right password. A cookie is set for pages
/// of the same origin alone.
#[utoipa::path(post, path = "/session", tag = "access", request_body = SignIn,
    responses((status = 200, body = SessionBegun)))]
pub(super) async fn sign_in(
    State(app): State<App>,
    origin: Origin,
    JsonUpTo(asked): JsonUpTo<SignIn, { 16 << 10 }>,
) -> Result<Response, Problem> {
    if asked.deliver == Deliver::Cookie {
        origin.own()?;
    }
    let text = asked.password.reveal().ok_or_else(|| Problem::bad_field("password", "too long"))?.to_owned();
    if asked.email.len() > 4 * email::MOST {
        return Err(Problem::bad_field("email", "too long"));
    }
    let account = email::fold(&asked.email);
    let tried = password::admit(&app, &account, &origin)?;
    let shown = Second { totp: asked.totp, recovery: asked.recovery };
    let (person, used) = shown_to_be(&app, &origin, &tried, (account, text.clone()), &shown).await?;
    let renewed = renewed(&app, &person, text).await?;
    let wanted = Wanted {
        person: person.id,
        method: used.method().to_owned(),
        tenant: asked.tenant,
        deliver: asked.deliver,
    };
    let checked = Checked { used, before: person.clone(), renewed };
    match login::sign_in_with(&app, &origin, wanted, move |tx, person| checked.write(tx, person)).await {
        Ok(signed) => {
            app.lockout.succeeded(&tried);
            Ok(signed.into_response(&app))
        }
        Err(problem) if problem.code() == Code::LoginFailed => {
            Err(password::refuse(&app, &tried, &origin, Some(&person), "used"))
        }
        Err(problem) => Err(problem),
    }
}

/// The person whom the password and the second factor are of; everything else is refused alike, and counted.
async fn shown_to_be(
    app: &App,
    origin: &Origin,
    tried: &Try,
    (account, text): (String, String),
    shown: &Second,
) -> Result<(Person, Used), Problem> {
    let found = app.store.read(move |tx| person::by_local(tx, &account)).await?;
    let stored = found.as_ref().and_then(|person| person.password.clone());
    let fits = password::verified(app, tried, text, stored, tried.is_known).await?;
    let refuse = |person: Option<&Person>, why| password::refuse(app, tried, origin, person, why);
    let (true, Some(person)) = (fits, found.clone()) else { return Err(refuse(found.as_ref(), "password")) };
    if person.state != "active" {
        return Err(refuse(Some(&person), "state"));
    }
    match password::second(app, &person, shown) {
        Ok(used) => Ok((person, used)),
        Err(true) => {
            app.lockout.undecided(tried);
            Err(Problem::new(Code::TotpNeeded, "the account asks for a one-time code as well"))
        }
        Err(false) => Err(refuse(Some(&person), "code")),
    }
}

/// The hash made anew, where the stored one cost less than one costs now.
async fn renewed(app: &App, person: &Person, text: String) -> Result<Option<String>, Problem> {
    match &person.password {
        Some(phc) if app.hasher.is_outdated(phc) => app.hasher.hash(text).await.map(Some),
        _ => Ok(None),
    }
}

/// What was found right before the session begins.
struct Checked {
    used: Used,
    before: Person,
    renewed: Option<String>,
}

impl Checked {
    /// Looks whether it is still so, and uses up what is good once.
    fn write(&self, tx: &mut quell_store::Tx<'_>, person: &Person) -> Result<(), Problem> {
        if person.password != self.before.password || person.totp != self.before.totp {
            return Err(password::login_failed());
        }
        self.used.write(tx, person.id)?;
        if let Some(hash) = &self.renewed {
            let since = person.password_changed_at.unwrap_or_default();
            person::set_password(tx, person.id, Some(hash), since)?;
        }
        Ok(())
    }
}
