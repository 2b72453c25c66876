//! The load: mixed commands in a stream, each under an idempotency key, repeated until somebody answers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::random::Random;
use super::{Error, failed};
use crate::Child;
use crate::site::{Api, Machine};

/// Files that are collected: name and bytes.
pub(super) const FILES: [(&str, usize); 4] =
    [("empty", 0), ("small", 9_000), ("middle", 400_000), ("large", 3_000_000)];
/// Leaves a line when it begins and one when it ends.
pub(super) const SCRIPT: &str =
    "printf '%s\\n' \"$1\" >> /root/begun; sleep \"$2\"; printf '%s\\n' \"$1\" >> /root/ended";
/// What sacrificial processes run, so that they are told from what scripts leave behind.
pub(super) const SACRIFICE: [&str; 2] = ["/bin/sleep", "86400"];
/// For a request to be answered, over any number of deaths.
const ANSWER: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(20);
/// Tasks that wait; above it the load waits too.
const WAITING: usize = 14;

/// Scripts of a burst.
const BURST: usize = 12;

/// What a command was asked to do.
pub(super) enum Deed {
    Isolate,
    Restore,
    /// The process, seen from the machine.
    Terminate(Child),
    /// The number of the file.
    Collect(usize),
    /// The line that the script leaves.
    Script(String),
}

/// A request that the server answered as accepted.
pub(super) struct Accepted {
    pub task: String,
    pub command: String,
    pub machine: usize,
    pub deed: Deed,
}

/// The load, shared by the threads that make it.
pub(super) struct Load<'a> {
    pub machines: &'a [Mutex<Machine>],
    /// Peers that an isolation is proved with.
    pub canaries: Value,
    pub accepted: Mutex<Vec<Accepted>>,
    pub wrong: Mutex<Vec<String>>,
    /// Requests that were sent again because no answer came.
    pub repeated: AtomicU64,
    /// Of these, such as the server had accepted the first time.
    pub known: AtomicU64,
    pub canceled: AtomicU64,
    /// Requests that the server declined to accept.
    pub refused: AtomicU64,
    pub stop: AtomicBool,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Load<'a> {
    pub fn new(machines: &'a [Mutex<Machine>], canaries: Value) -> Self {
        Self {
            machines,
            canaries,
            accepted: Mutex::default(),
            wrong: Mutex::default(),
            repeated: AtomicU64::new(0),
            known: AtomicU64::new(0),
            canceled: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        }
    }

    /// Makes load until it is told to stop.
    pub fn drive(&self, name: &str, api: &Api, mut random: Random) {
        let mut number = 0;
        while !self.stop.load(Ordering::Relaxed) {
            number += 1;
            let key = format!("{name}-{number}");
            let made = if random.chance(1) {
                self.burst(&key, api, &mut random)
            } else {
                self.one(&key, api, &mut random)
            };
            if let Err(error) = made {
                self.tell(format!("request {key}: {error}"));
                std::thread::sleep(PAUSE);
            }
        }
    }

    fn one(&self, key: &str, api: &Api, random: &mut Random) -> Result<(), Error> {
        if waiting(api) > WAITING {
            std::thread::sleep(PAUSE * 2);
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(random.below(60)));
        let machine = random.below(self.machines.len() as u64) as usize;
        let (deed, action, params) = self.deed(key, machine, random)?;
        let name = lock(&self.machines[machine]).name().to_owned();
        let mut body = json!({
            "action": action, "params": params, "reason": "fault injection", "targets": { "endpoints": [name] },
        });
        if random.chance(5) {
            body["expires_in_seconds"] = json!(1 + random.below(2));
        }
        let Some(task) = self.post(api, key, &body)? else { return Ok(()) };
        if random.chance(5) && self.post(api, key, &body)?.is_some_and(|again| again["id"] != task["id"]) {
            self.tell(format!("{key} was accepted twice"));
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (id, command) = (text(&task["id"]), text(&task["commands"]["items"][0]["id"]));
        let is_script = matches!(deed, Deed::Script(_));
        lock(&self.accepted).push(Accepted { task: id.clone(), command, machine, deed });
        if random.chance(if is_script { 12 } else { 3 }) {
            std::thread::sleep(Duration::from_millis(random.below(300)));
            // It may have ended, or nobody may answer: either way nothing has to follow.
            let asked = api.post(&format!("/tasks/{id}/cancel"), &Value::Null);
            self.canceled
                .fetch_add(u64::from(asked.is_ok_and(|answer| answer.status < 300)), Ordering::Relaxed);
        }
        Ok(())
    }

    /// More scripts at once for one endpoint than its agent begins at once.
    fn burst(&self, key: &str, api: &Api, random: &mut Random) -> Result<(), Error> {
        let machine = random.below(self.machines.len() as u64) as usize;
        let name = lock(&self.machines[machine]).name().to_owned();
        for number in 0..BURST {
            let key = format!("{key}-{number}");
            let seconds = format!("{}.5", 1 + random.below(2));
            let body = json!({
                "action": "endpoint.run_script", "params": { "script": "mark", "arguments": [key, seconds] },
                "reason": "fault injection", "targets": { "endpoints": [name] },
            });
            let Some(task) = self.post(api, &key, &body)? else { return Ok(()) };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (id, command) = (text(&task["id"]), text(&task["commands"]["items"][0]["id"]));
            lock(&self.accepted).push(Accepted { task: id, command, machine, deed: Deed::Script(key) });
        }
        Ok(())
    }

    fn deed(
        &self,
        key: &str,
        machine: usize,
        random: &mut Random,
    ) -> Result<(Deed, &'static str, Value), Error> {
        Ok(match random.below(100) {
            0..8 => (Deed::Isolate, "endpoint.isolate", json!({ "canaries": self.canaries })),
            8..16 => (Deed::Restore, "endpoint.restore", json!({})),
            16..34 => {
                let (child, params) = sacrifice(&lock(&self.machines[machine]))?;
                (Deed::Terminate(child), "process.terminate", params)
            }
            34..54 => {
                let file = [0, 1, 1, 1, 2, 2, 3][random.below(7) as usize];
                (Deed::Collect(file), "file.collect", json!({ "path": format!("/root/{}", FILES[file].0) }))
            }
            _ => {
                let sleep = match random.below(10) {
                    0..5 => 0,
                    5..9 => random.below(900),
                    _ => random.below(5000),
                };
                let seconds = format!("{}.{:03}", sleep / 1000, sleep % 1000);
                let params = json!({ "script": "mark", "arguments": [key, seconds] });
                (Deed::Script(key.to_owned()), "endpoint.run_script", params)
            }
        })
    }

    /// Asks until there is an answer; `None` when it is that nothing was accepted.
    fn post(&self, api: &Api, key: &str, body: &Value) -> Result<Option<Value>, Error> {
        let end = Instant::now() + ANSWER;
        let mut is_repeat = false;
        loop {
            match api.post_once("/tasks", body, key) {
                Ok(answer) if (200..300).contains(&answer.status) => {
                    self.known.fetch_add(u64::from(is_repeat && answer.status == 200), Ordering::Relaxed);
                    return Ok(Some(answer.json()));
                }
                Ok(answer) if answer.status == 429 || answer.status >= 500 => {}
                // The same isolation is under way: refused before anything was accepted.
                Ok(answer) if answer.status == 409 && answer.json()["code"] == "target_refused" => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    return Ok(None);
                }
                Ok(answer) => return Err(answer.good().err().map_or(Error::Never, Error::Site)),
                Err(_) => {
                    is_repeat = true;
                    self.repeated.fetch_add(1, Ordering::Relaxed);
                }
            }
            if Instant::now() > end {
                return Err(Error::Unanswered(key.to_owned()));
            }
            std::thread::sleep(PAUSE);
        }
    }

    pub fn tell(&self, wrong: String) {
        lock(&self.wrong).push(wrong);
    }
}

fn waiting(api: &Api) -> usize {
    let found = api.get("/tasks?state=queued&limit=50").map(|answer| answer.json());
    found.ok().and_then(|found| found["items"].as_array().map(Vec::len)).unwrap_or(0)
}

/// A process to be ended, and how it is named on the endpoint.
fn sacrifice(machine: &Machine) -> Result<(Child, Value), Error> {
    let child = machine.endpoint.spawn(&SACRIFICE, &[]).map_err(crate::site::Error::from)?;
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", child.pid()));
    let (status, stat) =
        (read("status").map_err(failed("read a process"))?, read("stat").map_err(failed("read a process"))?);
    // The last number is that of the innermost namespace (proc_pid_status(5)).
    let pid =
        status.lines().find_map(|line| line.strip_prefix("NSpid:")?.split_whitespace().last()?.parse().ok());
    let start = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(19)?.parse().ok());
    let (pid, start): (u32, u64) = pid.zip(start).ok_or(Error::Never)?;
    Ok((child, json!({ "pid": pid, "start_time": start })))
}
