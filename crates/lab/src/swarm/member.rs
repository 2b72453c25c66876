//! One simulated agent: its folder, its enrolment, its line.

use quell_agent::clock::Clock;
use quell_agent::identity::Identity;
use quell_agent::link::LinkState;
use quell_agent::state::StateDir;
use quell_agent::{Agent, Setup, enrol};
use quell_wire::digest::{Digest, sha256};
use tokio::sync::watch;

use super::effect::Simulated;
use super::{Error, Options};

/// What the swarm keeps of an agent that runs.
#[derive(Debug)]
pub(super) struct Member {
    pub name: String,
    pub endpoint_id: String,
    pub line: watch::Receiver<LinkState>,
}

/// Enrols an agent where that is needed, and puts it together.
pub(super) async fn open(options: &Options, number: usize, token: &str) -> Result<(Member, Agent), Error> {
    let name = format!("{}-{number}", options.prefix);
    let path = options.state.join(&name);
    let state = StateDir::open(&path).map_err(|source| Error::State { name: name.clone(), source })?;
    let machine = fingerprint(&path);
    let endpoint_id = match known(&state) {
        Some(id) => id,
        None => enroll(options, &name, machine, &state, token).await?,
    };
    let setup = Setup {
        clock: Clock::system(),
        actions: Some(Simulated::new(options.effects.clone(), &name)),
        is_endpoint: false,
        machine: Some(machine),
    };
    let agent = Agent::open(state, setup)
        .map_err(|source| Error::Agent { name: name.clone(), source: Box::new(source) })?;
    let line = agent.line();
    Ok((Member { name, endpoint_id, line }, agent))
}

fn known(state: &StateDir) -> Option<String> {
    Identity::load(state).ok().map(|identity| identity.me().endpoint_id.clone())
}

async fn enroll(
    options: &Options,
    name: &str,
    machine: Digest,
    state: &StateDir,
    token: &str,
) -> Result<String, Error> {
    let asked = enrol::Options {
        server: options.server.clone(),
        token: token.to_owned(),
        proxy: None,
        name: Some(name.to_owned()),
        machine: Some(machine),
        trust: None,
    };
    let identity = enrol::enrol(state, &asked, None, &Clock::system())
        .await
        .map_err(|source| Error::Enrol { name: name.to_owned(), source: Box::new(source) })?;
    Ok(identity.me().endpoint_id.clone())
}

/// The machine that the agent would be on: another for each folder, the same after each start.
fn fingerprint(path: &std::path::Path) -> Digest {
    sha256(&[b"quell/simulated machine/v1\0", path.as_os_str().as_encoded_bytes()])
}
