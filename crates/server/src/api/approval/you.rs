//! What a request asks of the one who reads it: whether they can decide, what hinders them, what it takes to sign.

use quell_engine::{Engine, Error};
use quell_store::approval::Request;
use quell_store::{Micros, Tx, person, task::Task};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::approval_link::signing::{self, Signing};
use crate::auth::Caller;
use crate::public::Public;
use crate::state::App;

/// What you can do about a request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct You {
    /// Whether your decision would count now.
    can_decide: bool,
    /// Why not.
    hinders: Option<String>,
    /// Where endpoints demand your own signature: what it takes.
    signing: Option<Signing>,
}

/// Who reads.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    person: Option<Uuid>,
    public: Option<Public>,
    now: Micros,
}

impl Reader {
    pub fn of(app: &App, caller: &Caller) -> Self {
        Self { person: caller.person().ok().map(|(id, _)| id), public: app.public.clone(), now: app.now() }
    }

    /// `None` for programs, which decide nothing.
    pub fn you(&self, tx: &mut Tx<'_>, request: &Request, task: &Task) -> Result<Option<You>, Error> {
        let Some(person) = self.person else { return Ok(None) };
        let hinders = Engine::hinders(tx, request, task, person, self.now)?;
        let signing = match person::get(tx, person)? {
            Some(row) if hinders.is_none() => signing::of(tx, self.public.as_ref(), task, &row)?,
            _ => None,
        };
        Ok(Some(You { can_decide: hinders.is_none(), hinders, signing }))
    }
}
