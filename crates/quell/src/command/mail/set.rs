//! `quell mail set`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{PATH, lines};
use crate::cli::Context;
use crate::failure::Failure;
use crate::{input, output};

/// The most of a password file, and of certificates.
const PASSWORD: u64 = 500;
const PEM: u64 = 64 << 10;

/// How mail is to be sent.
#[derive(Debug, Args)]
pub struct Set {
    /// The sender's address
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// The sender's name
    #[arg(long, value_name = "NAME")]
    from_name: Option<String>,
    /// The relay's name or address
    #[arg(long)]
    host: Option<String>,
    /// The relay's port: 25, 465, 587 or 2525
    #[arg(long)]
    port: Option<u16>,
    /// starttls, tls, or none (on the server's own machine only)
    #[arg(long, value_name = "HOW")]
    tls: Option<String>,
    /// The name that the relay asks for
    #[arg(long, value_name = "NAME", conflicts_with = "no_login")]
    username: Option<String>,
    /// The relay asks for no name
    #[arg(long)]
    no_login: bool,
    /// A file with the password; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "no_login")]
    password_file: Option<PathBuf>,
    /// Certificates (PEM) to believe instead of the server system's
    #[arg(long, value_name = "FILE")]
    relay_ca: Option<PathBuf>,
    /// Who is told besides those whose business it is (several times for several)
    #[arg(long, value_name = "ADDRESS")]
    recipient: Vec<String>,
    /// Of which kinds they are told (several times for several); everything where never named
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// Send no mail
    #[arg(long, conflicts_with = "on")]
    off: bool,
    /// Send mail again
    #[arg(long)]
    on: bool,
}

impl Set {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let before = client.get(PATH, &[]).await?;
        let after = self.over(&before)?;
        output::one(context.format, &client.put(PATH, &after).await?, lines)
    }

    fn smtp(&self, before: &Value) -> Result<Value, Failure> {
        let ca = self.relay_ca.as_deref().map(|path| input::text(path, PEM)).transpose()?;
        let mut smtp = json!({});
        for (name, value) in [
            ("host", keep(before, text(self.host.as_ref()), "/smtp/host")),
            ("port", keep(before, self.port.map(|port| json!(port)), "/smtp/port")),
            ("tls", keep(before, text(self.tls.as_ref()), "/smtp/tls")),
            (
                "username",
                keep(before, text(self.username.as_ref()), "/smtp/username").filter(|_| !self.no_login),
            ),
            ("ca", keep(before, text(ca.as_ref()), "/smtp/ca")),
        ] {
            if let Some(value) = value {
                smtp[name] = value;
            }
        }
        if let Some(path) = &self.password_file {
            smtp["password"] = json!(input::text(path, PASSWORD)?.trim_end_matches(['\r', '\n']));
        }
        Ok(smtp)
    }

    /// The settings as they were, with what is named put over them.
    fn over(&self, before: &Value) -> Result<Value, Failure> {
        let smtp = self.smtp(before)?;
        let mut settings = json!({ "smtp": smtp });
        for (name, value) in [
            ("from", keep(before, text(self.from.as_ref()), "/from")),
            ("from_name", keep(before, text(self.from_name.as_ref()), "/from_name")),
            ("recipients", keep(before, list(&self.recipient), "/recipients")),
            ("kinds", keep(before, list(&self.kind), "/kinds")),
        ] {
            if let Some(value) = value {
                settings[name] = value;
            }
        }
        // What is set up for the first time is meant to be used.
        let was_on = before["smtp"].is_null() || before["enabled"] == json!(true);
        settings["enabled"] = json!(self.on || was_on && !self.off);
        Ok(settings)
    }
}

/// What is given, or else what was there.
fn keep(before: &Value, given: Option<Value>, path: &str) -> Option<Value> {
    given.or_else(|| before.pointer(path).filter(|value| !value.is_null()).cloned())
}

fn text(given: Option<&String>) -> Option<Value> {
    given.map(|text| json!(text))
}

fn list(named: &[String]) -> Option<Value> {
    (!named.is_empty()).then(|| json!(named))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        set: Set,
    }

    #[test]
    fn what_is_not_named_stays() {
        let before = json!({ "enabled": true, "from": "a@x.example", "from_name": "Quell", "recipients": ["b@x.example"], "kinds": [],
            "smtp": { "host": "mail.x.example", "port": 587, "tls": "starttls", "username": "quell", "has_password": true, "ca": null } });
        let over = |flags: &[&str]| {
            Line::try_parse_from([&["x"], flags].concat()).unwrap().set.over(&before).unwrap()
        };
        let after = over(&["--port", "465", "--tls", "tls"]);
        assert_eq!(
            after["smtp"],
            json!({ "host": "mail.x.example", "port": 465, "tls": "tls", "username": "quell" })
        );
        assert_eq!(after["recipients"], json!(["b@x.example"]));
        assert_eq!(over(&["--off"])["enabled"], json!(false));
        assert_eq!(over(&["--no-login"])["smtp"].get("username"), None);
    }
}
