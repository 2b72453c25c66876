//! What would stop an incident, and asking for it. What was shown is what is asked for: its digest goes along.

use clap::Args;
use serde_json::{Value, json};

use super::page::proposal;
use super::show;
use crate::cli::Context;
use crate::client::confirm::Source;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::{self, terminal};

/// An incident.
#[derive(Debug, Args)]
pub struct Propose {
    /// Id or number of the incident
    incident: String,
}

/// An incident to stop.
#[derive(Debug, Args)]
pub struct Cut {
    /// Id or number of the incident
    incident: String,
    /// Why; people read it, and it stays in the audit trail
    #[arg(long)]
    reason: String,
    /// Numbers of steps to leave out, with commas between
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    without: Vec<u64>,
    /// Numbers of steps to add that are not ticked, with commas between
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    with: Vec<u64>,
    /// Ask for it without being asked once more
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    confirm: Source,
}

async fn fetch(client: &Client, incident: &str) -> Result<Value, Failure> {
    client.get(&path(incident), &[]).await
}

fn path(incident: &str) -> String {
    format!("/api/v1/incidents/{}/cut", segment(incident))
}

impl Propose {
    pub(super) async fn run(&self, context: &Context) -> Result<(), Failure> {
        let cut = fetch(&context.client()?, &self.incident).await?;
        output::one(context.format, &cut, proposal)
    }
}

impl Cut {
    pub(super) async fn run(&self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let cut = fetch(&client, &self.incident).await?;
        let steps = chosen(&cut, &self.with, &self.without)?;
        terminal::complain(&proposal(&cut))?;
        if !self.yes {
            let question = format!("Ask for {} of these steps?", steps.len());
            terminal::confirm(&question, "read the proposal above, then give --yes")?;
        }
        let body = json!({ "digest": cut["digest"], "steps": steps, "reason": self.reason });
        // Repeated where no answer came: the server makes one plan of it.
        let key = uuid::Uuid::new_v4().to_string();
        let plan = client.post_confirmed(&path(&self.incident), &body, Some(&key), self.confirm).await;
        show(context, &plan.map_err(|failure| failure.during("asking for the plan"))?)
    }
}

/// Numbers of the steps that are wanted.
fn chosen(cut: &Value, with: &[u64], without: &[u64]) -> Result<Vec<u64>, Failure> {
    let steps = cut["steps"].as_array().map_or(&[][..], Vec::as_slice);
    let number = |step: &Value| step["number"].as_u64();
    if let Some(unknown) =
        with.iter().chain(without).find(|wanted| steps.iter().all(|step| number(step) != Some(**wanted)))
    {
        return Err(Failure::new(format!("the proposal has no step {unknown}"))
            .hint("quell plans propose INCIDENT shows its steps"));
    }
    let is_wanted = |step: &&Value| {
        let number = number(step).unwrap_or_default();
        (step["ticked"] == true || with.contains(&number)) && !without.contains(&number)
    };
    let chosen: Vec<u64> = steps.iter().filter(is_wanted).filter_map(number).collect();
    if chosen.is_empty() {
        return Err(Failure::new("no step is left to ask for"));
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn ticked_steps_are_asked_for_unless_they_are_left_out() {
        let step = |number: u64, ticked: bool| json!({ "number": number, "ticked": ticked });
        let cut = json!({ "steps": [step(1, true), step(2, false), step(3, true)] });
        assert_eq!(chosen(&cut, &[], &[]).unwrap(), [1, 3]);
        assert_eq!(chosen(&cut, &[2], &[1]).unwrap(), [2, 3]);
        assert!(chosen(&cut, &[4], &[]).is_err() && chosen(&cut, &[], &[1, 3]).is_err());
    }
}
