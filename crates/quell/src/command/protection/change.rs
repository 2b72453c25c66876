//! Small changes of the settings, made by flags.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{MOST, change};
use crate::cli::Context;
use crate::failure::Failure;
use crate::input;

/// Something to set.
#[derive(Debug, Args)]
pub struct Set {
    #[command(flatten)]
    change: Change,
    /// Do not ask, also where hits would begin to be prevented
    #[arg(long)]
    yes: bool,
}

/// What is to be otherwise.
#[derive(Debug, Default, Args)]
pub struct Change {
    /// The settings as JSON, as a whole; `-` is standard input. Flags are applied to them
    file: Option<PathBuf>,
    /// `block_list`, `behaviour` or `yara`, and `off`, `detect` or `prevent`
    #[arg(long, value_name = "SOURCE=MODE", value_parser = mode)]
    mode: Vec<(String, String)>,
    /// Hits of rules below this severity are only detected
    #[arg(long, value_name = "SEVERITY", value_parser = ["informational", "low", "medium", "high", "critical"])]
    prevent_from: Option<String>,
    /// Whether activity is recorded
    #[arg(long, value_enum)]
    record: Option<Switch>,
    /// What the recorder may take on an endpoint's disk, MiB
    #[arg(long, value_name = "MIB")]
    ring_mib: Option<u64>,
    /// After how many days an endpoint forgets activity
    #[arg(long, value_name = "DAYS")]
    ring_days: Option<u64>,
    /// Whether the behaviour rules that come with Quell are in force
    #[arg(long, value_enum)]
    built_in: Option<Switch>,
    /// Behaviour rules of the library: NAME, NAME@VERSION; in place of another version of the same
    #[arg(long, value_name = "NAME")]
    rules: Vec<String>,
    /// Behaviour rules of the library that are used no more
    #[arg(long, value_name = "NAME")]
    without_rules: Vec<String>,
    /// YARA rules of the library; in place of another version of the same
    #[arg(long, value_name = "NAME")]
    yara: Vec<String>,
    /// YARA rules of the library that are used no more
    #[arg(long, value_name = "NAME")]
    without_yara: Vec<String>,
    /// A behaviour rule that is not in force, by its id
    #[arg(long, value_name = "ID")]
    disable: Vec<String>,
    /// A rule that is in force again
    #[arg(long, value_name = "ID")]
    enable: Vec<String>,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It is
    On,
    /// It is not
    Off,
}

fn mode(text: &str) -> Result<(String, String), String> {
    let (source, mode) = text.split_once('=').ok_or("is written SOURCE=MODE")?;
    let source = source.replace('-', "_");
    if !["block_list", "behaviour", "yara"].contains(&source.as_str()) {
        return Err("the sources are block_list, behaviour and yara".to_owned());
    }
    if !["off", "detect", "prevent"].contains(&mode) {
        return Err("the modes are off, detect and prevent".to_owned());
    }
    Ok((source, mode.to_owned()))
}

/// The settings in a text: by themselves, or within the protection as it is shown.
pub(super) fn read(text: &str) -> Result<Value, Failure> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| Failure::new(format!("this is not JSON: {error}")))?;
    match value {
        Value::Object(mut shown) if shown.contains_key("settings") && shown.contains_key("version") => {
            Ok(shown.remove("settings").unwrap_or_default())
        }
        Value::Object(_) => Ok(value),
        _ => Err(Failure::new("this is no JSON object")),
    }
}

impl Set {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { change: wanted, yes } = self;
        change(context, yes, |settings| wanted.applied(settings)).await
    }
}

impl Change {
    /// The settings after it.
    pub(super) fn applied(&self, mut settings: Value) -> Result<Value, Failure> {
        if let Some(file) = &self.file {
            let read = read(&input::text(file, MOST)?);
            settings = read.map_err(|failure| failure.during(&file.display().to_string()))?;
        }
        for (source, mode) in &self.mode {
            settings["modes"][source] = json!(mode);
        }
        let is_on = |switch: Switch| json!(switch == Switch::On);
        let mib = self.ring_mib.map(|mib| json!(mib.saturating_mul(1 << 20)));
        let seconds = self.ring_days.map(|days| json!(days.saturating_mul(24 * 3600)));
        let set = [
            ("/prevent_from", self.prevent_from.as_ref().map(|severity| json!(severity))),
            ("/record", self.record.map(is_on)),
            ("/ring_bytes", mib),
            ("/ring_age_seconds", seconds),
            ("/behaviour/built_in", self.built_in.map(is_on)),
        ];
        for (pointer, value) in set {
            if let (Some(place), Some(value)) = (settings.pointer_mut(pointer), value) {
                *place = value;
            }
        }
        listed(&mut settings["behaviour"]["rules"], &self.rules, &self.without_rules)?;
        listed(&mut settings["yara"]["rules"], &self.yara, &self.without_yara)?;
        let disabled = &mut settings["behaviour"]["disabled"];
        for id in &self.enable {
            take(disabled, |known| known.eq_ignore_ascii_case(id), id)?;
        }
        for id in &self.disable {
            let ids = texts(disabled);
            if !ids.iter().any(|known| known.eq_ignore_ascii_case(id)) {
                *disabled = ids.into_iter().chain([id.clone()]).collect();
            }
        }
        Ok(settings)
    }
}

fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

fn take(list: &mut Value, is_it: impl Fn(&str) -> bool, named: &str) -> Result<(), Failure> {
    let before = texts(list);
    let after: Vec<String> = before.iter().filter(|known| !is_it(known)).cloned().collect();
    if after.len() == before.len() {
        return Err(Failure::new(format!("`{named}` is not set")).hint("quell protection show says what is"));
    }
    *list = json!(after);
    Ok(())
}

/// A name without its version.
fn name(set: &str) -> &str {
    set.rsplit_once('@').map_or(set, |(name, _)| name)
}

fn listed(list: &mut Value, added: &[String], removed: &[String]) -> Result<(), Failure> {
    for gone in removed {
        take(list, |known| known == gone || name(known) == gone, gone)?;
    }
    for new in added {
        let mut sets = texts(list);
        match sets.iter_mut().find(|known| name(known) == name(new)) {
            Some(known) => known.clone_from(new),
            None => sets.push(new.clone()),
        }
        *list = json!(sets);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        change: Change,
    }

    fn after(flags: &str) -> Result<Value, String> {
        let line = Line::try_parse_from(["x"].into_iter().chain(flags.split_whitespace()));
        let settings = json!({
            "record": true, "ring_bytes": 1, "ring_age_seconds": 1, "prevent_from": "high",
            "modes": {"block_list": "detect", "behaviour": "detect", "yara": "detect"},
            "behaviour": {"built_in": true, "rules": ["ours@1", "more@2"], "disabled": ["AB"]},
            "yara": {"rules": []}, "exclusions": [],
        });
        line.map_err(|error| error.to_string())?.change.applied(settings).map_err(|failure| failure.message)
    }

    #[test]
    fn flags_change_what_they_name_and_nothing_else() {
        let changed =
            after("--mode behaviour=prevent --mode block-list=off --prevent-from critical --ring-mib 64")
                .unwrap();
        assert_eq!(changed["modes"], json!({"block_list": "off", "behaviour": "prevent", "yara": "detect"}));
        assert_eq!(
            (&changed["prevent_from"], &changed["ring_bytes"]),
            (&json!("critical"), &json!(64 << 20))
        );
        let changed = after(
            "--rules ours --without-rules more --yara shells@3 --disable cd --enable ab --built-in off",
        )
        .unwrap();
        assert_eq!(changed["behaviour"], json!({"built_in": false, "rules": ["ours"], "disabled": ["cd"]}));
        assert_eq!(changed["yara"]["rules"], json!(["shells@3"]));
        assert!(after("--without-yara shells").unwrap_err().contains("`shells`"));
        assert!(after("--mode x=prevent").is_err() && after("--mode yara=kill").is_err());
    }

    #[test]
    fn settings_are_read_by_themselves_or_as_they_were_shown() {
        let settings = json!({"record": true});
        assert_eq!(read(&settings.to_string()).ok(), Some(settings.clone()));
        assert_eq!(read(&json!({"version": 3, "settings": settings}).to_string()).ok(), Some(settings));
        assert!(read("[]").is_err());
    }
}
