//! The fields of the event, each once: its name in a pack, its place in the event, and what it takes.

use std::net::IpAddr;

use crate::event::{ADDRESSES, COMMAND_LINE, Event, LINE, LONG, SHORT, Severity, TECHNIQUES, Verdict, cut};
use crate::expression::Wanted;
use crate::value::shown;

/// A field of the event; `at`, `title` and the observables are read by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Id,
    Description,
    Severity,
    Verdict,
    Techniques,
    EndpointHost,
    EndpointAddresses,
    EndpointMachineId,
    EndpointAgentName,
    EndpointAgentId,
    UserName,
    UserId,
    ProcessPid,
    ProcessName,
    ProcessImage,
    ProcessCommandLine,
    ProcessSha256,
    ParentPid,
    ParentName,
    ParentImage,
    ParentCommandLine,
    FilePath,
    FileSha256,
    FileSha1,
    FileMd5,
    FileSize,
    NetworkSource,
    NetworkSourcePort,
    NetworkDestination,
    NetworkDestinationPort,
    NetworkProtocol,
    NetworkApplication,
    NetworkName,
    NetworkUrl,
    ContainerId,
    ContainerName,
    ContainerImage,
    ContainerPod,
    ContainerNamespace,
    RuleId,
    RuleName,
}

/// Fields that stand together in a pack, and further groups within.
pub struct Shape {
    pub fields: &'static [(&'static str, Field)],
    pub groups: &'static [(&'static str, &'static Shape)],
}

/// The event as a pack writes it.
pub const EVENT: Shape = Shape {
    fields: &[
        ("id", Field::Id),
        ("description", Field::Description),
        ("severity", Field::Severity),
        ("verdict", Field::Verdict),
        ("techniques", Field::Techniques),
    ],
    groups: &[
        ("endpoint", &ENDPOINT),
        ("user", &Shape { fields: &[("name", Field::UserName), ("id", Field::UserId)], groups: &[] }),
        ("process", &PROCESS),
        ("file", &FILE),
        ("network", &NETWORK),
        ("container", &CONTAINER),
        ("rule", &Shape { fields: &[("id", Field::RuleId), ("name", Field::RuleName)], groups: &[] }),
    ],
};
const ENDPOINT: Shape = Shape {
    fields: &[
        ("host", Field::EndpointHost),
        ("addresses", Field::EndpointAddresses),
        ("machine_id", Field::EndpointMachineId),
        ("agent_name", Field::EndpointAgentName),
        ("agent_id", Field::EndpointAgentId),
    ],
    groups: &[],
};
const PROCESS: Shape = Shape {
    fields: &[
        ("pid", Field::ProcessPid),
        ("name", Field::ProcessName),
        ("image", Field::ProcessImage),
        ("command_line", Field::ProcessCommandLine),
        ("sha256", Field::ProcessSha256),
    ],
    groups: &[(
        "parent",
        &Shape {
            fields: &[
                ("pid", Field::ParentPid),
                ("name", Field::ParentName),
                ("image", Field::ParentImage),
                ("command_line", Field::ParentCommandLine),
            ],
            groups: &[],
        },
    )],
};
const FILE: Shape = Shape {
    fields: &[
        ("path", Field::FilePath),
        ("sha256", Field::FileSha256),
        ("sha1", Field::FileSha1),
        ("md5", Field::FileMd5),
        ("size", Field::FileSize),
    ],
    groups: &[],
};
const NETWORK: Shape = Shape {
    fields: &[
        ("source", Field::NetworkSource),
        ("source_port", Field::NetworkSourcePort),
        ("destination", Field::NetworkDestination),
        ("destination_port", Field::NetworkDestinationPort),
        ("protocol", Field::NetworkProtocol),
        ("application", Field::NetworkApplication),
        ("name", Field::NetworkName),
        ("url", Field::NetworkUrl),
    ],
    groups: &[],
};
const CONTAINER: Shape = Shape {
    fields: &[
        ("id", Field::ContainerId),
        ("name", Field::ContainerName),
        ("image", Field::ContainerImage),
        ("pod", Field::ContainerPod),
        ("namespace", Field::ContainerNamespace),
    ],
    groups: &[],
};

/// The place of a field in an event, and with it what the field takes.
enum Slot<'e> {
    Id(&'e mut String),
    /// Bytes at most.
    Text(&'e mut Option<String>, usize),
    /// Digits in hex.
    Hash(&'e mut Option<String>, usize),
    Pid(&'e mut Option<u32>),
    Port(&'e mut Option<u16>),
    Size(&'e mut Option<u64>),
    Address(&'e mut Option<IpAddr>),
    Addresses(&'e mut Vec<IpAddr>),
    Techniques(&'e mut Vec<String>),
    Severity(&'e mut Severity),
    Verdict(&'e mut Option<Verdict>),
}

impl Field {
    /// Whether it takes one value or all that there are.
    pub fn wanted(self) -> Wanted {
        if matches!(self, Self::Techniques | Self::EndpointAddresses) { Wanted::All } else { Wanted::One }
    }

    /// Takes a value over; says what was wrong with it, or what was done to it.
    pub fn put(self, event: &mut Event, text: &str) -> Result<(), String> {
        match self.slot(event) {
            // Cut, two names could be one, and one of two alerts would be lost.
            Slot::Id(_) if text.len() > SHORT => {
                Err("too long for a name; the record's digest stands for it".to_owned())
            }
            Slot::Id(place) => keep(text, SHORT, |kept| *place = kept),
            Slot::Text(place, most) => keep(text, most, |kept| *place = Some(kept)),
            Slot::Hash(place, digits) => hash(text, digits).map(|hash| *place = Some(hash)),
            Slot::Pid(place) => whole(text).map(|number| *place = Some(number)),
            Slot::Port(place) => whole(text).map(|number| *place = Some(number)),
            Slot::Size(place) => whole(text).map(|number| *place = Some(number)),
            Slot::Address(place) => address(text).map(|address| *place = Some(address)),
            Slot::Addresses(places) => address(text).map(|address| add(places, address, ADDRESSES)),
            Slot::Techniques(places) => {
                // Tags of other kinds stand beside techniques everywhere, so what is no technique is no fault.
                if let Some(technique) = technique(text) {
                    add(places, technique, TECHNIQUES);
                }
                Ok(())
            }
            Slot::Severity(place) => {
                word(text, Severity::of, &Severity::ALL.map(Severity::word)).map(|s| *place = s)
            }
            Slot::Verdict(place) => word(text, Verdict::of, &Verdict::ALL.map(Verdict::word))
                .map(|verdict| *place = Some(verdict)),
        }
    }

    fn slot(self, event: &mut Event) -> Slot<'_> {
        let (endpoint, user, process) = (&mut event.endpoint, &mut event.user, &mut event.process);
        let (file, network, container) = (&mut event.file, &mut event.network, &mut event.container);
        match self {
            Self::Id => Slot::Id(&mut event.source_id),
            Self::Description => Slot::Text(&mut event.description, LONG),
            Self::Severity => Slot::Severity(&mut event.severity),
            Self::Verdict => Slot::Verdict(&mut event.verdict),
            Self::Techniques => Slot::Techniques(&mut event.techniques),
            Self::EndpointHost => Slot::Text(&mut endpoint.host, SHORT),
            Self::EndpointAddresses => Slot::Addresses(&mut endpoint.addresses),
            Self::EndpointMachineId => Slot::Text(&mut endpoint.machine_id, SHORT),
            Self::EndpointAgentName => Slot::Text(&mut endpoint.agent_name, SHORT),
            Self::EndpointAgentId => Slot::Text(&mut endpoint.agent_id, SHORT),
            Self::UserName => Slot::Text(&mut user.name, SHORT),
            Self::UserId => Slot::Text(&mut user.id, SHORT),
            Self::ProcessPid => Slot::Pid(&mut process.pid),
            Self::ProcessName => Slot::Text(&mut process.name, SHORT),
            Self::ProcessImage => Slot::Text(&mut process.image, LONG),
            Self::ProcessCommandLine => Slot::Text(&mut process.command_line, COMMAND_LINE),
            Self::ProcessSha256 => Slot::Hash(&mut process.sha256, 64),
            Self::ParentPid => Slot::Pid(&mut process.parent.pid),
            Self::ParentName => Slot::Text(&mut process.parent.name, SHORT),
            Self::ParentImage => Slot::Text(&mut process.parent.image, LONG),
            Self::ParentCommandLine => Slot::Text(&mut process.parent.command_line, COMMAND_LINE),
            Self::FilePath => Slot::Text(&mut file.path, LONG),
            Self::FileSha256 => Slot::Hash(&mut file.sha256, 64),
            Self::FileSha1 => Slot::Hash(&mut file.sha1, 40),
            Self::FileMd5 => Slot::Hash(&mut file.md5, 32),
            Self::FileSize => Slot::Size(&mut file.size),
            Self::NetworkSource => Slot::Address(&mut network.source),
            Self::NetworkSourcePort => Slot::Port(&mut network.source_port),
            Self::NetworkDestination => Slot::Address(&mut network.destination),
            Self::NetworkDestinationPort => Slot::Port(&mut network.destination_port),
            Self::NetworkProtocol => Slot::Text(&mut network.protocol, SHORT),
            Self::NetworkApplication => Slot::Text(&mut network.application, SHORT),
            Self::NetworkName => Slot::Text(&mut network.name, SHORT),
            Self::NetworkUrl => Slot::Text(&mut network.url, LONG),
            Self::ContainerId => Slot::Text(&mut container.id, SHORT),
            Self::ContainerName => Slot::Text(&mut container.name, SHORT),
            Self::ContainerImage => Slot::Text(&mut container.image, LINE),
            Self::ContainerPod => Slot::Text(&mut container.pod, SHORT),
            Self::ContainerNamespace => Slot::Text(&mut container.namespace, SHORT),
            Self::RuleId => Slot::Text(&mut event.rule.id, SHORT),
            Self::RuleName => Slot::Text(&mut event.rule.name, LINE),
        }
    }
}

fn keep(text: &str, most: usize, put: impl FnOnce(String)) -> Result<(), String> {
    let (kept, is_cut) = cut(text, most);
    put(kept);
    if is_cut { Err(format!("cut to {most} bytes of {}", text.len())) } else { Ok(()) }
}

fn add<T: PartialEq>(places: &mut Vec<T>, value: T, most: usize) {
    if places.len() < most && !places.contains(&value) {
        places.push(value);
    }
}

pub fn hash(text: &str, digits: usize) -> Result<String, String> {
    let text = text.trim();
    if text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!("{digits} digits in hex were expected, {} is there", shown(text)))
    }
}

fn whole<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    let number = text.trim().parse();
    number.map_err(|_| format!("a whole number within bounds was expected, {} is there", shown(text)))
}

/// With brackets, a zone or a length of prefix around it, as it is written here and there.
pub fn address(text: &str) -> Result<IpAddr, String> {
    let bare = text.trim().trim_start_matches('[').trim_end_matches(']');
    let bare = bare.split(['%', '/']).next().unwrap_or_default();
    let address: Result<IpAddr, _> = bare.parse();
    address
        .map(|address| address.to_canonical())
        .map_err(|_| format!("an IP address was expected, {} is there", shown(text)))
}

/// `T1059.004`, also as `attack.t1059.004`, `T1059_004` or `T1059/004`.
fn technique(text: &str) -> Option<String> {
    let upper = text.trim().to_ascii_uppercase();
    let upper = upper.strip_prefix("ATTACK.").unwrap_or(&upper);
    let digits = |part: &str, count| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
    let number = upper.strip_prefix('T')?;
    let (main, sub) = match number.split_once(['.', '_', '/']) {
        Some((main, sub)) => (main, Some(sub)),
        None => (number, None),
    };
    match sub {
        _ if !digits(main, 4) => None,
        None => Some(format!("T{main}")),
        Some(sub) => digits(sub, 3).then(|| format!("T{main}.{sub}")),
    }
}

fn word<T>(text: &str, of: impl Fn(&str) -> Option<T>, words: &[&str]) -> Result<T, String> {
    of(text.trim())
        .ok_or_else(|| format!("one of {} was expected, {} is there", words.join(", "), shown(text)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn techniques_are_known_by_their_shape() {
        for (text, expected) in [
            ("T1059", Some("T1059")),
            ("t1059.004", Some("T1059.004")),
            ("attack.t1059_004", Some("T1059.004")),
            ("T1059/004", Some("T1059.004")),
            ("TA0002", None),
            ("T105", None),
            ("T1059.04", None),
            ("mitre_execution", None),
            ("", None),
        ] {
            assert_eq!(technique(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_value_that_does_not_fit_is_told_and_one_that_is_too_long_is_cut() {
        let mut event = Event::default();
        assert_eq!(Field::ProcessPid.put(&mut event, " 42 "), Ok(()));
        assert!(Field::ProcessPid.put(&mut event, "-1").is_err());
        assert!(Field::NetworkSourcePort.put(&mut event, "65536").is_err());
        assert!(Field::FileSha256.put(&mut event, "abc").unwrap_err().contains("64 digits"));
        assert!(Field::NetworkSource.put(&mut event, "[fe80::1%eth0]").is_ok());
        assert!(Field::Severity.put(&mut event, "awful").unwrap_err().contains("informational"));
        assert_eq!(
            Field::UserName.put(&mut event, &"ä".repeat(200)),
            Err("cut to 256 bytes of 400".to_owned())
        );
        assert_eq!((event.process.pid, event.user.name.unwrap().len()), (Some(42), 256));
        assert_eq!(event.network.source.unwrap().to_string(), "fe80::1");
    }
}
