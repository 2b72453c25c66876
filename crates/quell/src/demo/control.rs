//! The stage for tests in a browser: it says where everything is in one line of JSON, and answers what is asked of the
//! endpoints and of the world outside of them, a line for a line, until its input ends.

use std::io::BufRead as _;
use std::net::TcpListener;
use std::path::Path;

use quell_lab::MailSink;
use quell_lab::site::{Server, ways_out};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::demo::people::People;
use crate::demo::report::Report;
use crate::demo::stage::{Stage, address, client, lab_failed, serve};
use crate::demo::{Kind, beacon, crowd, scenes, step};
use crate::failure::Failure;
use crate::output::say_json;
use crate::output::table::field;

/// What stands.
enum Set {
    /// Server, people, and endpoints.
    Whole(Box<Stage>),
    /// A server alone. Its folder goes after it.
    Server(Server, #[expect(dead_code, reason = "its files go when it goes")] TempDir),
}

/// Builds a stage and answers until the input ends.
pub async fn hold(kind: Kind, agent: &Path, report: &mut Report) -> Result<(), Failure> {
    let mail = MailSink::start().map_err(|error| report.say(&format!("no mail server: {error}"))).ok();
    let (mut set, told) = build(kind, agent, report, mail.as_ref()).await?;
    say_json(&told, false)?;
    let (say, mut said) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if say.send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = said.recv().await {
        let asked: Value = serde_json::from_str(&line).unwrap_or_default();
        let mut answer = match answer(&mut set, &asked, mail.as_ref()) {
            Ok(answer) => answer,
            Err(failure) => json!({ "error": failure.message }),
        };
        answer["id"] = asked["id"].clone();
        say_json(&answer, false)?;
    }
    Ok(())
}

async fn build(
    kind: Kind,
    agent: &Path,
    report: &mut Report,
    mail: Option<&MailSink>,
) -> Result<(Set, Value), Failure> {
    if kind == Kind::Empty {
        let (server, folder) = alone()?;
        let data = folder.path().join("data");
        let code = std::fs::read_to_string(data.join("setup.code"))?;
        let told = json!({"url": address(&server), "key": server.key(), "code": code.trim(), "data": data});
        return Ok((Set::Server(server, folder), told));
    }
    if kind == Kind::Crowd {
        let (mut server, folder) = alone()?;
        let data = folder.path().join("data");
        let people = People::seed(&server.url(), &data).await?;
        crowd::fill(&mut server, &data).await?;
        let told = described(&server, &people, &data).await?;
        return Ok((Set::Server(server, folder), told));
    }
    let mut stage = Stage::set(agent, report).await?;
    if let Some(mail) = mail {
        mail_through(&stage, mail).await?;
    }
    if kind == Kind::Played {
        step::show_all(&stage, report).await?;
        scenes::play(&mut stage, report).await?;
    } else {
        scenes::library(&stage).await?;
    }
    let mut told = described(&stage.server, &stage.people, &stage.folder.path().join("data")).await?;
    told["beacon"] = beacon::PROGRAM.into();
    told["mail"] = mail.is_some().into();
    Ok((Set::Whole(Box::new(stage)), told))
}

/// A server without endpoints.
fn alone() -> Result<(Server, TempDir), Failure> {
    let folder = TempDir::with_prefix("quell-demo-")?;
    let gateway = TcpListener::bind("127.0.0.1:0")?;
    let advertise = vec![gateway.local_addr()?];
    Ok((serve(folder.path(), gateway, advertise)?, folder))
}

async fn described(server: &Server, people: &People, data: &Path) -> Result<Value, Failure> {
    let me = people.client("maria")?.get("/api/v1/me", &[]).await?;
    let endpoints = client(server)?.list("/api/v1/endpoints", &[], 10).await?;
    let endpoints: serde_json::Map<String, Value> =
        endpoints.iter().map(|row| (field(row, "/name"), row["id"].clone())).collect();
    Ok(json!({
        "url": address(server), "key": server.key(), "people": people.describe(), "endpoints": endpoints,
        "tenant": me["tenant"], "data": data,
    }))
}

/// Lets the server send its mail to the sink.
async fn mail_through(stage: &Stage, mail: &MailSink) -> Result<(), Failure> {
    let at = mail.address();
    let settings = json!({
        "from": "quell@lusitania.example",
        "smtp": {"host": at.ip().to_string(), "port": at.port(), "tls": "none"},
    });
    stage.people.client("maria")?.put("/api/v1/mail", &settings).await.map(drop)
}

/// What one line asks.
fn answer(set: &mut Set, asked: &Value, mail: Option<&MailSink>) -> Result<Value, Failure> {
    let wish = field(asked, "/do");
    if wish == "mails" {
        let texts = mail.map(MailSink::messages).unwrap_or_default();
        let told =
            texts.iter().map(|mail| json!({"to": mail.to, "subject": mail.subject, "text": mail.text}));
        return Ok(json!({ "mails": told.collect::<Vec<_>>() }));
    }
    let server = match set {
        Set::Whole(stage) => &mut stage.server,
        Set::Server(server, _) => server,
    };
    match wish.as_str() {
        "restart" => server.restart().map_err(|error| Failure::of(&error))?,
        "stop" => server.stop(),
        _ => match set {
            Set::Whole(stage) => return of_endpoint(stage, &wish, asked),
            Set::Server(..) => return Err(Failure::new("this stage has no endpoints")),
        },
    }
    Ok(json!({}))
}

fn of_endpoint(stage: &mut Stage, wish: &str, asked: &Value) -> Result<Value, Failure> {
    let name = field(asked, "/endpoint");
    if wish == "agent" {
        let machine = stage.machine(&name)?;
        machine.stop_agent().map_err(lab_failed)?;
        if asked["on"] == true {
            machine.start_agent().map_err(lab_failed)?;
        }
        return Ok(json!({}));
    }
    let machine = stage.endpoint(&name)?;
    Ok(match wish {
        "reach" => {
            let ways = ways_out(&machine.endpoint, stage.lab.outside()).map_err(lab_failed)?;
            let told: Vec<Value> =
                ways.iter().map(|way| json!({"name": way.name, "open": way.open})).collect();
            json!({"reached": ways.iter().any(|way| way.open), "ways": told})
        }
        "beacon" => {
            beacon::start(&stage.lab, machine)?;
            json!({"program": beacon::PROGRAM, "script": beacon::SCRIPT})
        }
        "running" => json!({"running": beacon::running(machine)?}),
        "sh" => {
            let done = machine.sh(&field(asked, "/script")).map_err(lab_failed)?;
            json!({"ok": done.ok(), "stdout": done.stdout, "stderr": done.stderr})
        }
        other => return Err(Failure::new(format!("nobody knows how to `{other}`"))),
    })
}
