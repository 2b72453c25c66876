//! The command line as a whole: what stands before every command, and which commands there are.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::act;
use crate::client::Client;
use crate::command::{
    account, approvals, artifacts, audit, blocklist, break_glass, completions, demo, detections, endpoints,
    explain, gateway, incidents, keys, kit, library, login, mail, notices, openapi, overview, passkeys,
    people, plans, policy, protection, recover, reference, release_code, roles, server, setup, shell, signer,
    sso, tasks, tenants, trust, webhooks,
};
use crate::failure::Failure;
use crate::output::Format;
use crate::profile::Profile;

const AFTER: &str = "Exit status: 0 done and verified; 1 usage or a problem; 2 a task ended otherwise than succeeded; \
                     3 the wait was over before the task.";

/// Open response management: act on endpoints, with evidence.
#[derive(Debug, Parser)]
#[command(name = "quell", version, after_help = AFTER, max_term_width = 110, subcommand_required = true)]
pub struct Cli {
    /// What stands before every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// The form of the result.
    #[arg(
        long,
        short,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORM",
        hide_possible_values = true,
        help = "The form of the result: table, json, jsonl or, for lists, csv"
    )]
    pub output: Format,
    /// Address of the server.
    #[arg(long, global = true, env = "QUELL_URL", value_name = "URL", hide_env_values = true)]
    pub url: Option<String>,
    /// A CA certificate (PEM) to trust instead of the system's.
    #[arg(long, global = true, env = "QUELL_CA", value_name = "FILE", hide_env_values = true)]
    pub ca: Option<PathBuf>,
}

/// What the binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Request an action
    #[command(subcommand)]
    Act(act::Request),
    /// Tasks: what was requested, and how it ended
    Tasks(OrList<tasks::Command>),
    /// What waits for people, and decisions about it
    Approvals(OrList<approvals::Command>),
    /// Response plans: ordered actions under one approval, and what would stop an incident
    Plans(OrList<plans::Command>),
    /// The approval settings: who must agree to what
    #[command(subcommand)]
    Policy(policy::Command),
    /// Act without those who would have to agree, for a time, in sight of everybody
    BreakGlass(OrList<break_glass::Command>),
    /// Endpoints and the tokens that enrol them
    Endpoints(OrList<endpoints::Command>),
    /// What is changed now and not undone
    Overview(overview::Arguments),
    /// Open a terminal on an endpoint
    Shell(shell::Open),
    /// Incidents: what was detected and belongs together, and what is done about it
    Incidents(OrList<incidents::Command>),
    /// What agents detected, and what other products told
    Detections(OrList<detections::Command>),
    /// Remote shells, open ones and past ones
    Shells(OrList<shell::Command>),
    /// Collected files
    Artifacts(OrList<artifacts::Command>),
    /// The library: scripts, rules, queries, definitions of evidence, kits, indicators
    Library(OrList<library::Command>),
    /// The block list: what is listed, who enforces it, what never is
    Blocklist(OrList<blocklist::Command>),
    /// What is recorded, detected and prevented on endpoints, and where it holds
    #[command(subcommand)]
    Protection(protection::Command),
    /// The one-time code that ends an isolation at the endpoint itself
    ReleaseCode(release_code::Arguments),
    /// Who did what, and when
    Audit(audit::Arguments),
    /// Where agents are told to connect
    Gateway(OrList<gateway::Command>),
    /// Investigation kits: made, signed, checked, and whose are taken
    #[command(subcommand)]
    Kit(kit::Command),
    /// The tenant's own root of trust, and approvers' own signatures
    #[command(subcommand)]
    Trust(trust::Command),
    /// How mail is sent, and the words of it
    #[command(subcommand)]
    Mail(mail::Command),
    /// Systems that are told of notices
    Webhooks(OrList<webhooks::Command>),
    /// What was told to whom, and what could not be
    Notices(OrList<notices::Command>),
    /// API keys
    Keys(OrList<keys::Command>),
    /// Identity providers at which people sign in, and signing in through one
    Sso(OrList<sso::Command>),
    /// Your passkeys
    Passkeys(OrList<passkeys::Command>),
    /// People, and what they are here
    People(OrList<people::Command>),
    /// What people and programs can be
    Roles(OrList<roles::Command>),
    /// The organisations on this server
    Tenants(OrList<tenants::Command>),
    /// Your open sessions
    Sessions(OrList<account::Sessions>),
    /// One-time codes for your account
    #[command(subcommand)]
    Totp(account::Totp),
    /// Change your password
    Password,
    /// Say who you are to the server
    Whoami,
    /// Sign in, or keep an API key, for later commands
    Login(login::Arguments),
    /// Sign out, and keep nothing
    Logout,
    /// Make the first administrator of a new server
    Setup(setup::Arguments),
    /// Give a person a new way in, on the server's own machine
    Recover(recover::Arguments),
    /// Run the server
    Server(server::Arguments),
    /// Hold the order key apart from the server
    #[command(subcommand)]
    Signer(signer::Command),
    /// Show it all on endpoints made on this machine
    Demo(demo::Arguments),
    /// Advice on an error code
    Explain(explain::Arguments),
    /// Print the REST API's OpenAPI document
    Openapi,
    /// Print completions for a shell
    Completions(completions::Arguments),
    /// Print this reference as Markdown
    #[command(hide = true)]
    Reference,
}

/// A group of commands that lists where no command is named.
#[derive(Debug, Args)]
pub struct OrList<C: Subcommand> {
    #[command(subcommand)]
    command: Option<C>,
}

impl<C: Subcommand> OrList<C> {
    /// The command, or the group's `list` with nothing said.
    fn read(self) -> Result<C, Failure> {
        if let Some(command) = self.command {
            return Ok(command);
        }
        let group = C::augment_subcommands(clap::Command::new("quell"));
        let listed = group.try_get_matches_from(["quell", "list"]);
        let command = listed.and_then(|matches| C::from_arg_matches(&matches));
        command.map_err(|error| Failure::new(error.to_string()))
    }
}

/// What a command is given: the form of its result, and the way to the server.
pub struct Context {
    /// The form of the result.
    pub format: Format,
    global: Global,
}

impl Context {
    /// Where the server is, and which key opens it.
    pub fn profile(&self) -> Result<Profile, Failure> {
        let key = std::env::var("QUELL_API_KEY").ok().filter(|key| !key.is_empty());
        Profile::resolve(self.global.url.clone(), key, self.global.ca.clone())
    }

    /// A client of that server.
    pub fn client(&self) -> Result<Client, Failure> {
        Client::new(&self.profile()?)
    }

    /// What the flags say, for commands that write the profile.
    pub fn global(&self) -> &Global {
        &self.global
    }
}

impl Cli {
    /// Runs the command to its end.
    pub fn run(self) -> Result<(), Failure> {
        let context = Context { format: self.global.output, global: self.global };
        match self.command {
            Command::Completions(arguments) => completions::run(&arguments),
            Command::Explain(arguments) => explain::run(&arguments),
            Command::Openapi => openapi::run(),
            Command::Reference => reference::run(),
            Command::Recover(arguments) => recover::run(&arguments),
            Command::Login(arguments) => login::run(&arguments, &context),
            Command::Server(arguments) => server::run(arguments),
            Command::Signer(command) => signer::run(command, &context),
            Command::Demo(arguments) => demo::run(arguments),
            remote => block_on(remote.ask(&context)),
        }
    }
}

impl Command {
    /// A command that asks the server.
    async fn ask(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Act(request) => request.run(context).await,
            Self::Tasks(command) => tasks::run(command.read()?, context).await,
            Self::Approvals(command) => approvals::run(command.read()?, context).await,
            Self::Plans(command) => plans::run(command.read()?, context).await,
            Self::Policy(command) => policy::run(command, context).await,
            Self::BreakGlass(command) => break_glass::run(command.read()?, context).await,
            Self::Endpoints(command) => endpoints::run(command.read()?, context).await,
            Self::Overview(arguments) => overview::run(&arguments, context).await,
            Self::Shell(arguments) => shell::open(arguments, context).await,
            Self::Incidents(command) => incidents::run(command.read()?, context).await,
            Self::Detections(command) => detections::run(command.read()?, context).await,
            Self::Shells(command) => shell::run(command.read()?, context).await,
            Self::Artifacts(command) => artifacts::run(command.read()?, context).await,
            Self::Library(command) => library::run(command.read()?, context).await,
            Self::Blocklist(command) => blocklist::run(command.read()?, context).await,
            Self::Protection(command) => protection::run(command, context).await,
            Self::ReleaseCode(arguments) => release_code::run(&arguments, context).await,
            Self::Audit(arguments) => audit::run(&arguments, context).await,
            Self::Gateway(command) => gateway::run(command.read()?, context).await,
            Self::Kit(command) => kit::run(command, context).await,
            Self::Trust(command) => trust::run(command, context).await,
            Self::Mail(command) => mail::run(command, context).await,
            Self::Sso(command) => sso::run(command.read()?, context).await,
            Self::Passkeys(command) => passkeys::run(command.read()?, context).await,
            Self::Webhooks(command) => webhooks::run(command.read()?, context).await,
            Self::Notices(command) => notices::run(command.read()?, context).await,
            Self::Keys(command) => keys::run(command.read()?, context).await,
            Self::People(command) => people::run(command.read()?, context).await,
            Self::Roles(command) => roles::run(command.read()?, context).await,
            Self::Tenants(command) => tenants::run(command.read()?, context).await,
            Self::Sessions(command) => account::sessions(command.read()?, context).await,
            Self::Totp(command) => account::totp(command, context).await,
            Self::Password => account::password(context).await,
            Self::Whoami => account::whoami(context).await,
            Self::Logout => login::out(context).await,
            Self::Setup(arguments) => setup::run(&arguments, context).await,
            Self::Completions(_)
            | Self::Explain(_)
            | Self::Openapi
            | Self::Reference
            | Self::Login(_)
            | Self::Recover(_)
            | Self::Server(_)
            | Self::Signer(_)
            | Self::Demo(_) => Ok(()),
        }
    }
}

/// Runs a conversation with the server on this thread.
pub fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    // The client has no cipher of its own; an earlier choice is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(format!("starting: {error}")))?.block_on(work)
}
