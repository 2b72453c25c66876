//! `process.list` on this endpoint.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use quell_catalog::process::list::{Outcome, Params};
use quell_catalog::rows::{Column, ColumnType};
use quell_host::process::{self, Commands, Listed, State};
use quell_host::system::boot_id;
use serde_json::Value;

use super::{Endpoint, thread};
use crate::rows::{Limits, Row, Writer};
use crate::runner::{Ending, Job, chain};

pub(super) async fn carry(endpoint: &Endpoint, job: &Job) -> Ending {
    carried(endpoint, job).await.unwrap_or_else(|ending| ending)
}

async fn carried(endpoint: &Endpoint, job: &Job) -> Result<Ending, Ending> {
    let params: Params = job.params()?;
    let boot_id = boot_id().map_err(|error| Ending::refused("boot_unknown", chain(&error)))?.to_string();
    let writer = Writer::of(endpoint, job, columns(), Limits::default())?;
    let work = move |_: &_| {
        let (filter, began) = (Filter::of(&params), Instant::now());
        let mut seen = 0;
        let told = process::each(Some(&Commands::new()), |listed| {
            seen += 1;
            match filter.row(&listed) {
                Some(row) => writer.push_blocking(row),
                None => ControlFlow::Continue(()),
            }
        });
        (told, seen, began.elapsed(), writer)
    };
    let (told, seen, took, writer) = thread::run(work, |_| ()).await?;
    told.map_err(|error| Ending::failed("processes_unreadable", chain(&error)))?;
    let processes = writer.finish().await?;
    Ok(Ending::done(&Outcome { boot_id, seen, took_us: took.as_micros() as u64, processes }))
}

fn columns() -> Vec<Column> {
    use ColumnType::{Integer, Text};
    [
        ("pid", Integer),
        ("start_time", Integer),
        ("parent", Integer),
        ("user", Text),
        ("uid", Integer),
        ("name", Text),
        ("path", Text),
        ("deleted", Integer),
        ("command_line", Text),
        ("state", Text),
        ("started", Text),
        ("memory", Integer),
        ("threads", Integer),
        ("container", Text),
        ("cgroup", Text),
    ]
    .into_iter()
    .map(|(name, kind)| Column::new(name, kind))
    .collect()
}

/// What is asked for, and the names of accounts.
struct Filter {
    name: Option<String>,
    path: Option<Vec<u8>>,
    user: Option<String>,
    kernel_threads: bool,
    accounts: BTreeMap<u32, String>,
}

impl Filter {
    fn of(params: &Params) -> Self {
        Self {
            name: params.name.as_ref().map(|name| name.to_lowercase()),
            path: params.path.as_ref().map(|path| path.clone().into_bytes()),
            user: params.user.clone(),
            kernel_threads: params.kernel_threads,
            accounts: process::accounts(),
        }
    }

    /// `None`: not asked for.
    fn row(&self, listed: &Listed) -> Option<Row> {
        if listed.kernel && !self.kernel_threads {
            return None;
        }
        let name = listed.name.to_string_lossy();
        if let Some(wanted) = &self.name
            && !name.to_lowercase().contains(wanted)
            // One that could not be read may be what is looked for.
            && listed.command.as_ref().is_some_and(|command| !command.to_lowercase().contains(wanted))
        {
            return None;
        }
        if let Some(wanted) = &self.path {
            let exe = listed.exe.as_ref()?.path.as_os_str().as_bytes();
            exe.windows(wanted.len()).position(|part| part == wanted)?;
        }
        let user = listed.uid.and_then(|uid| self.accounts.get(&uid)).map(String::as_str);
        if let Some(wanted) = &self.user {
            let is_id = listed.uid.is_some_and(|uid| uid.to_string() == *wanted);
            if !is_id && !user.is_some_and(|user| user.contains(wanted.as_str())) {
                return None;
            }
        }
        Some(row(listed, &name, user))
    }
}

fn row(listed: &Listed, name: &str, user: Option<&str>) -> Row {
    let state = match listed.state {
        State::Running => "running",
        State::Sleeping => "sleeping",
        State::Uninterruptible => "uninterruptible",
        State::Stopped => "stopped",
        State::Zombie => "zombie",
        State::Other => "other",
    };
    let exe = listed.exe.as_ref();
    let values: [(&str, Value); 15] = [
        ("pid", listed.identity.pid.into()),
        ("start_time", listed.identity.start_time.into()),
        ("parent", listed.parent.into()),
        ("user", user.into()),
        ("uid", listed.uid.into()),
        ("name", name.into()),
        ("path", exe.map(|exe| exe.path.to_string_lossy().into_owned()).into()),
        ("deleted", exe.map(|exe| u8::from(exe.deleted)).into()),
        ("command_line", listed.command.as_deref().into()),
        ("state", state.into()),
        ("started", moment(listed.started.as_secs()).into()),
        ("memory", listed.resident.into()),
        ("threads", listed.threads.into()),
        ("container", listed.container.clone().into()),
        ("cgroup", listed.cgroup.as_str().into()),
    ];
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Seconds since 1970 as RFC 3339 in UTC (days to a date as in Howard Hinnant's "chrono-compatible low-level date
/// algorithms": years begin in March).
fn moment(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let date = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates() {
        assert_eq!(moment(0), "1970-01-01T00:00:00Z");
        assert_eq!(moment(951_868_799), "2000-02-29T23:59:59Z");
        assert_eq!(moment(1_735_689_600), "2025-01-01T00:00:00Z");
    }
}
