//! One action a file: what is asked, and what must be seen on the endpoint and outside of it.

pub mod collect;
pub mod isolate;
pub mod restore;
pub mod run_script;
pub mod terminate;

use crate::demo::report::Report;
use crate::demo::stage::Stage;
use crate::failure::Failure;

/// Shows all of them, in the order in which a team would do them.
pub async fn show_all(stage: &Stage, report: &mut Report) -> Result<(), Failure> {
    terminate::show(stage, report).await?;
    let isolation = isolate::show(stage, report).await?;
    collect::show(stage, report).await?;
    run_script::show(stage, report).await?;
    restore::show(stage, &isolation, report).await
}
