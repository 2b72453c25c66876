//! Whether somebody is the person of an account, by password and one-time code, with every try counted.

use quell_access::totp;
use quell_store::person::Person;
use quell_store::{Tx, audit, person};
use serde_json::json;
use uuid::Uuid;

use super::Caller;
use super::lockout::{Told, Try};
use super::origin::Origin;
use crate::api::secret::Secret;
use crate::problem::{Code, Problem};
use crate::seal;
use crate::state::App;

/// For what the secrets of one-time codes are sealed.
pub(crate) const TOTP: &str = "totp";

/// What a person shows beside their password.
#[derive(Clone, Debug, Default)]
pub(crate) struct Second {
    /// A one-time code.
    pub totp: Option<Secret>,
    /// A recovery code.
    pub recovery: Option<Secret>,
}

/// What was shown and is used up when the session begins.
#[derive(Clone, Debug)]
pub(crate) enum Used {
    /// Nothing beside the password.
    Nothing,
    /// The code of this time step.
    Step(i64),
    /// A recovery code: the list before and after.
    Recovery(String, String),
}

impl Used {
    /// How that is called.
    pub const fn method(&self) -> &'static str {
        match self {
            Self::Nothing => "password",
            Self::Step(_) => "password+totp",
            Self::Recovery(..) => "password+recovery",
        }
    }

    /// Uses it up. Of two who use the same at once, one fails.
    pub fn write(&self, tx: &mut Tx<'_>, person: Uuid) -> Result<(), Problem> {
        let is_fresh = match self {
            Self::Nothing => true,
            Self::Step(step) => person::use_totp(tx, person, *step)?,
            Self::Recovery(before, after) => person::use_recovery(tx, person, before, after)?,
        };
        if is_fresh { Ok(()) } else { Err(login_failed()) }
    }
}

/// The one answer to every sign-in that fails.
pub(crate) fn login_failed() -> Problem {
    Problem::new(Code::LoginFailed, "the address and the password, or the code, do not belong together")
}

/// Counts a try, or refuses it: too many failed, on the account or from the address.
pub(crate) fn admit(app: &App, account: &str, origin: &Origin) -> Result<Try, Problem> {
    let now = app.now();
    // Who signed in from there before waits for no neighbour.
    if !app.lockout.is_known(account, origin.remote) && !app.guesses.allows(origin.remote, now) {
        return Err(Problem::new(Code::TooManyRequests, "too many failed tries came from this address")
            .retry_after(5));
    }
    app.lockout.admit(account, origin.remote, now).map_err(|wait| {
        let seconds = u32::try_from(wait / 1_000_000 + 1).unwrap_or(u32::MAX);
        Problem::new(
            Code::TooManyRequests,
            "too many tries failed on this account; it takes one at a time now",
        )
        .hint("Wait, or sign in from where you did before.")
        .retry_after(seconds)
    })
}

/// A try failed: counts it, and has it recorded, a flood of them once a minute.
pub(crate) fn refuse(
    app: &App,
    tried: &Try,
    origin: &Origin,
    person: Option<&Person>,
    why: &'static str,
) -> Problem {
    let now = app.now();
    app.guesses.take(origin.remote, now);
    app.metrics.refused_logins.inc();
    let told = app.lockout.failed(tried, now);
    record(app, told, origin, person, why);
    login_failed()
}

/// Written beside the answer, so that the time it takes does not tell whether there is such an account.
fn record(app: &App, told: Told, origin: &Origin, person: Option<&Person>, why: &'static str) {
    let (tenant, id, name) = match person {
        Some(person) => (person.tenant_id, person.id.to_string(), person.name.clone()),
        None if told.count.is_some() && app.lockout.may_tell_of_nobody(app.now()) => {
            (app.tenant, "unknown".to_owned(), "unknown account".to_owned())
        }
        None => return,
    };
    let verbs =
        [told.count.map(|count| ("session.refused", count)), told.is_locked.then_some(("person.locked", 0))];
    let records: Vec<audit::Record> = verbs
        .into_iter()
        .flatten()
        .map(|(verb, count)| {
            let detail = if verb == "session.refused" {
                json!({ "why": why, "count": count })
            } else {
                json!({ "account": name, "from": origin.remote.to_string() })
            };
            let mut record =
                origin.record((tenant, Uuid::nil(), &name), app.now(), verb, ("person", &id), &detail);
            // Who tried is not known: it was not shown to be the person.
            for (field, text) in [
                (&mut record.actor_kind, "system"),
                (&mut record.actor_id, "sign-in"),
                (&mut record.actor_name, "Quell"),
                (&mut record.outcome, "refused"),
            ] {
                text.clone_into(field);
            }
            record
        })
        .collect();
    if records.is_empty() {
        return;
    }
    let store = app.store.clone();
    tokio::spawn(async move {
        let written: Result<(), quell_store::Error> =
            store.write(move |tx| records.iter().try_for_each(|record| audit::append(tx, record))).await;
        if let Err(error) = written {
            tracing::error!(%error, "a refused sign-in could not be recorded");
        }
    });
}

/// What of the second factor fits the account: `Err(true)` where one is needed and none was given, `Err(false)` where it
/// is wrong.
pub(crate) fn second(app: &App, person: &Person, shown: &Second) -> Result<Used, bool> {
    let Some(sealed) = &person.totp else { return Ok(Used::Nothing) };
    if let Some(code) = &shown.totp {
        return code_step(app, sealed, code).map(Used::Step).ok_or(false);
    }
    if let Some(code) = &shown.recovery {
        return recovery(person, code).ok_or(false);
    }
    Err(true)
}

/// The time step of a one-time code that fits.
pub(crate) fn code_step(app: &App, sealed: &[u8], code: &Secret) -> Option<i64> {
    let secret = seal::open(&app.secrets, TOTP, sealed)?;
    totp::step(&secret, code.reveal()?, app.now() / 1_000_000)
}

fn recovery(person: &Person, code: &Secret) -> Option<Used> {
    let before = person.recovery.clone()?;
    let mut left: Vec<String> = serde_json::from_str(&before).ok()?;
    let digest = totp::recovery_digest(code.reveal()?);
    let at = left.iter().position(|known| *known == digest)?;
    left.remove(at);
    Some(Used::Recovery(before, serde_json::to_string(&left).ok()?))
}

/// Whether it is the password of the person who asks. Counted as a sign-in is; answers the account.
pub(crate) async fn confirm(app: &App, caller: &Caller, password: &Secret) -> Result<Person, Problem> {
    let (id, _) = caller.person()?;
    let person = app.store.read(move |tx| person::get(tx, id)).await?.ok_or(Problem::not_found("person"))?;
    let Some(stored) = person.password.clone() else {
        return Err(Problem::new(Code::StepUpNeeded, "the account has no password here")
            .hint("Confirm with a passkey, or ask an administrator for a link that sets a password."));
    };
    let text = password.reveal().ok_or_else(|| Problem::bad_field("password", "too long"))?.to_owned();
    let (tried, origin) = counted(app, caller, &person)?;
    if !verified(app, &tried, text, Some(stored), true).await? {
        return Err(refuse(app, &tried, &origin, Some(&person), "confirmation"));
    }
    app.lockout.succeeded(&tried);
    Ok(person)
}

/// Whether the password fits. A try about which nothing could be found out, since too many wait, counts for nothing.
pub(crate) async fn verified(
    app: &App,
    tried: &Try,
    text: String,
    stored: Option<String>,
    is_known: bool,
) -> Result<bool, Problem> {
    let fits = app.hasher.verify(text, stored, is_known).await;
    fits.inspect_err(|_| app.lockout.undecided(tried))
}

/// Counts a try of a person who is signed in.
pub(crate) fn counted(app: &App, caller: &Caller, person: &Person) -> Result<(Try, Origin), Problem> {
    let origin = Origin {
        remote: caller.remote,
        agent: String::new(),
        request_id: caller.request_id.clone(),
        is_own: true,
    };
    let account = person.local_key.clone().unwrap_or_else(|| person.id.to_string());
    let tried = admit(app, &account, &origin)?;
    Ok((tried, origin))
}

/// Whether a new password is taken for the account.
pub(crate) fn check_new(field: &str, password: &Secret, email: &str, name: &str) -> Result<String, Problem> {
    let text = password.reveal().ok_or_else(|| Problem::bad_field(field, "too long"))?;
    quell_access::password::check(text, email, name)
        .map_err(|weak| Problem::bad_field(field, weak.to_string()))?;
    Ok(text.to_owned())
}
