//! News as they come: server-sent events, with the task itself read again whenever something may have been missed.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::HeaderName;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};

use super::people::Voice;
use super::show;
use crate::cli::Context;
use crate::client::{Client, Download, event_stream, segment};
use crate::failure::{Failure, WAIT_OVER};
use crate::output::table::field;
use crate::output::{Format, say_json, terminal, text};
use crate::wait;

/// Pause before a stream that ended is opened again.
const AGAIN: Duration = Duration::from_secs(1);
/// The most of one event, bytes.
const EVENT: usize = 256 << 10;

/// Follows a task to its end, or everything until the time is over.
pub async fn run(task: Option<String>, limit: Duration, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    let end = Instant::now() + limit;
    let followed = timeout_at(end, follow(&client, task.as_deref(), context.format)).await;
    match (followed, task) {
        (Ok(Err(failure)), _) => Err(failure),
        (Ok(Ok(())), None) => Ok(()),
        (Ok(Ok(())), Some(id)) => {
            let task = client.get(&address(&id), &[]).await?;
            if context.format.is_for_people() {
                return show::show_ended(context, &client, &task).await;
            }
            show::ended(&task)
        }
        (Err(_), id) => {
            let what = id.map_or("the wait is over".to_owned(), |id| format!("task {id} has not ended"));
            Err(Failure { exit: WAIT_OVER, ..Failure::new(what) })
        }
    }
}

fn address(id: &str) -> String {
    format!("/api/v1/tasks/{}", segment(id))
}

async fn follow(client: &Client, task: Option<&str>, format: Format) -> Result<(), Failure> {
    let mut last: Option<String> = None;
    let mut voice = Voice::default();
    loop {
        let path =
            task.map_or("/api/v1/events".to_owned(), |id| format!("/api/v1/events?task={}", segment(id)));
        let mut headers = vec![event_stream()];
        headers.extend(last.clone().map(|id| (HeaderName::from_static("last-event-id"), id)));
        let stream = client.open(&path, &headers).await?;
        // Opened first and looked at second, so that nothing falls between.
        if has_ended(client, task, (format, &mut voice)).await?
            || read(stream, client, task, (format, &mut voice), &mut last).await?
        {
            return Ok(());
        }
        sleep(AGAIN).await;
    }
}

/// Looks whether the task has ended; tells what people decided.
async fn has_ended(
    client: &Client,
    task: Option<&str>,
    (format, voice): (Format, &mut Voice),
) -> Result<bool, Failure> {
    let Some(id) = task else { return Ok(false) };
    let task = client.get(&address(id), &[]).await?;
    if format.is_for_people()
        && let Some(news) = voice.hear(client, &task).await
    {
        terminal::say(&news)?;
    }
    Ok(!wait::is_open(&field(&task, "/state")))
}

/// Reads a stream until it breaks off (false) or the task has ended (true).
async fn read(
    stream: Download,
    client: &Client,
    task: Option<&str>,
    (format, voice): (Format, &mut Voice),
    last: &mut Option<String>,
) -> Result<bool, Failure> {
    let mut pieces = stream.pieces();
    let mut parser = Parser::default();
    while let Some(piece) = pieces.next().await {
        // A stream that broke is opened again.
        let Ok(piece) = piece else { return Ok(false) };
        for event in parser.take(&piece) {
            if event.id.is_some() {
                last.clone_from(&event.id);
            }
            if event.kind == "beat" {
                continue;
            }
            say(&event, format)?;
            let matters = event.kind == "resync" || event.kind == "task";
            if matters && has_ended(client, task, (format, voice)).await? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn say(event: &Event, format: Format) -> Result<(), Failure> {
    let data: Value = serde_json::from_str(&event.data).unwrap_or(Value::Null);
    if !format.is_for_people() {
        return say_json(&json!({"event": event.kind, "data": data}), false);
    }
    let facts = data.as_object().map(|object| {
        let fact = |(name, value): (&String, &Value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("{}={}", text::visible(name), text::visible(&value))
        };
        object.iter().map(fact).collect::<Vec<_>>().join("  ")
    });
    terminal::say(format!("{:<9} {}", text::visible(&event.kind), facts.unwrap_or_default()).trim_end())
}

/// One event.
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    kind: String,
    id: Option<String>,
    data: String,
}

/// Reads an event stream (WHATWG HTML, section 9.2) from pieces that break anywhere.
#[derive(Default)]
struct Parser {
    rest: Vec<u8>,
    event: Event,
}

impl Parser {
    fn take(&mut self, piece: &[u8]) -> Vec<Event> {
        self.rest.extend_from_slice(piece);
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            events.extend(self.line(line.trim_end_matches(['\n', '\r'])));
        }
        if self.rest.len() > EVENT || self.event.data.len() > EVENT {
            *self = Self::default();
        }
        events
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return (!event.kind.is_empty() || !event.data.is_empty()).then_some(event);
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.event.kind),
            "id" => self.event.id = Some(value.to_owned()),
            "data" if self.event.data.is_empty() => value.clone_into(&mut self.event.data),
            "data" => {
                self.event.data.push('\n');
                self.event.data.push_str(value);
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_wherever_the_pieces_break() {
        let stream = b": beat\n\nevent: task\nid: 7\ndata: {\"task\":\"t\",\r\ndata: \"state\":\"running\"}\n\nevent: resync\ndata: {}\n\n";
        for size in 1..stream.len() {
            let mut parser = Parser::default();
            let events: Vec<Event> = stream.chunks(size).flat_map(|piece| parser.take(piece)).collect();
            assert_eq!(events.len(), 2, "pieces of {size}");
            assert_eq!((events[0].kind.as_str(), events[0].id.as_deref()), ("task", Some("7")));
            assert_eq!(events[0].data, "{\"task\":\"t\",\n\"state\":\"running\"}");
            assert_eq!(events[1].kind, "resync");
        }
    }

    #[test]
    fn a_line_without_end_is_let_go() {
        let mut parser = Parser::default();
        assert!(parser.take(&vec![b'x'; EVENT + 1]).is_empty());
        assert!(parser.rest.is_empty());
    }
}
