//! What is known of a Linux machine's own programs and places: what brings people in, what only carries others, what makes
//! things come back after a restart. Judged by name and place alone, so each word here only warns, orders or stops short; none
//! of them accuses.

mod known;

use std::net::IpAddr;

use quell_wire::activity::Image;

use crate::chain::Object;
use crate::text::base_name;
use known::{
    CARRIERS, DAEMONS, DROP_IN_PARTS, DROP_INS, INTERPRETERS, LOOSE, MANY_SERVE, OWN, SHARED, SHARED_ENDS,
    SHELLS, SYSTEM,
};

/// Whether a program keeps others going: see [`known::DAEMONS`]. A file of that name in a place that no package fills is none.
pub fn is_daemon(image: &Image) -> bool {
    let name = base_name(&image.path);
    let is_named = DAEMONS.iter().any(|daemon| name == daemon.as_bytes());
    is_named && (!image.package.is_empty() || is_system_path(&image.path) || image.path == name)
}

/// Whether a program does what an argument or a file tells it. A version after the name counts as part of it: `python3.11`.
pub fn is_interpreter(path: &[u8]) -> bool {
    is_named(path, INTERPRETERS)
}

/// Whether a program is a shell.
pub fn is_shell(path: &[u8]) -> bool {
    is_named(path, SHELLS)
}

/// Whether a program only passes work on.
pub fn is_carrier(path: &[u8]) -> bool {
    is_named(path, CARRIERS)
}

fn is_named(path: &[u8], names: &[&str]) -> bool {
    let name = base_name(path);
    let bare =
        name.iter().rposition(|byte| !matches!(byte, b'0'..=b'9' | b'.')).map_or(name, |last| &name[..=last]);
    names.iter().any(|known| bare == known.as_bytes() || name == known.as_bytes())
}

/// Whether a shell waits for a person: it runs no file and no command line. A reverse shell does too.
pub fn is_interactive_shell(image: &Image) -> bool {
    if !is_shell(&image.path) || image.script.is_some() {
        return false;
    }
    let options = image.arguments.iter().skip(1);
    !options.into_iter().any(|option| {
        let is_short = option.first() == Some(&b'-') && option.get(1) != Some(&b'-');
        is_short && option.contains(&b'c') || option.first() != Some(&b'-')
    })
}

/// Whether packages fill the place that a path names.
pub fn is_system_path(path: &[u8]) -> bool {
    SYSTEM.iter().any(|place| path.starts_with(place.as_bytes()))
}

/// Whether everybody may write a place, or it is a user's own: where what is dropped lies, and no service is installed.
pub fn is_loose_path(path: &[u8]) -> bool {
    LOOSE.iter().any(|place| path.starts_with(place.as_bytes()))
}

/// Whether a program is the machine's own: a package's, or in a place of packages.
pub fn is_system_program(image: &Image) -> bool {
    !image.package.is_empty() || is_system_path(&image.path)
}

/// Whether an object is the machine's own, by its package or place.
pub fn is_of_system(object: Object<'_>) -> bool {
    !object.package().is_empty() || is_system_path(object.path)
}

/// Whether a path is of this platform's own programs: exactly where they are installed, since a program of that name anywhere
/// else is whoever's.
pub fn is_own(path: &[u8]) -> bool {
    OWN.iter().any(|own| path == own.as_bytes())
}

/// How a file makes something come back, or lets somebody in again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// What such a file is, for a sentence: `a cron job`.
    pub what: &'static str,
    /// Others write into the same file too, so that what was there before may be in it.
    pub is_shared: bool,
}

/// Whether a file makes something come back.
pub fn persistence(path: &[u8]) -> Option<Persistence> {
    if SHARED.iter().any(|file| path == file.as_bytes()) {
        return Some(Persistence {
            what: "a file of the system that takes effect at start or login",
            is_shared: true,
        });
    }
    if SHARED_ENDS.iter().any(|end| path.ends_with(end.as_bytes())) {
        let is_keys = base_name(path).starts_with(b"authorized_keys");
        let what =
            if is_keys { "a user's list of keys that may log in" } else { "a profile of a user's shell" };
        return Some(Persistence { what, is_shared: true });
    }
    let by_place = DROP_INS.iter().find(|(place, _)| path.starts_with(place.as_bytes()));
    let by_part = || {
        DROP_IN_PARTS
            .iter()
            .find(|(part, _)| path.windows(part.len()).any(|window| window == part.as_bytes()))
    };
    let (place, what) = by_place.or_else(by_part)?;
    // The scratch file that crontab(1) renames afterwards.
    let is_crontab = place.starts_with("/var/spool/cron/") && *what == "a user's crontab";
    Some(Persistence { what, is_shared: is_crontab })
}

/// Whether a name, or one above it, is one that many serve from.
pub fn is_served_by_many(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    MANY_SERVE
        .iter()
        .any(|many| name == *many || name.strip_suffix(many).is_some_and(|head| head.ends_with('.')))
}

/// Why an address names a machine of the own network, or none; `None` where it is one of the world.
pub fn inner(address: IpAddr) -> Option<&'static str> {
    let address = match address {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    };
    let is_own = match address {
        IpAddr::V4(four) => {
            let [a, b, ..] = four.octets();
            four.is_private() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(six) => six.is_unique_local(),
    };
    let is_link = match address {
        IpAddr::V4(four) => four.is_link_local(),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    };
    if address.is_loopback() {
        Some("it is the endpoint itself")
    } else if address.is_unspecified()
        || address.is_multicast()
        || address == IpAddr::from([255, 255, 255, 255])
    {
        Some("it names no single machine")
    } else if is_link || is_own {
        Some("it is of a private network, where the same address is another machine elsewhere")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(path: &str, arguments: &[&str]) -> Image {
        let arguments = arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect();
        Image { path: path.as_bytes().to_vec(), arguments, ..Image::default() }
    }

    #[test]
    fn programs_are_known_by_name_and_place() {
        assert!(
            is_interpreter(b"/usr/bin/python3.11")
                && is_interpreter(b"/bin/dash")
                && is_interpreter(b"perl5.36")
        );
        assert!(
            !is_interpreter(b"/usr/bin/pythonista") && !is_interpreter(b"/tmp/x") && !is_interpreter(b"")
        );
        assert!(is_daemon(&image("/usr/sbin/sshd", &[])) && is_daemon(&image("kthreadd", &[])));
        assert!(!is_daemon(&image("/tmp/sshd", &[])), "a name alone protects nothing");
        assert!(is_own(b"/usr/sbin/quell-agent") && is_own(b"/opt/quell/quell"));
        for other in ["/tmp/quell-agent", "/opt/quell-evil/quell", "/usr/local/x/quell", "/opt/quell/x/quell"]
        {
            assert!(!is_own(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_shell_waits_for_a_person_where_nothing_tells_it_what_to_do() {
        for (arguments, wanted) in [
            (&["-bash"][..], true),
            (&["bash", "-i"], true),
            (&["bash", "--login"], true),
            (&["sh", "-c", "id"], false),
            (&["sh", "-ec", "id"], false),
            (&["sh", "/tmp/x"], false),
        ] {
            assert_eq!(is_interactive_shell(&image("/bin/bash", arguments)), wanted, "{arguments:?}");
        }
        assert!(!is_interactive_shell(&image("/tmp/x", &["x"])));
    }

    #[test]
    fn what_comes_back_is_known_and_what_others_write_too() {
        let shared = |path: &str| persistence(path.as_bytes()).map(|found| found.is_shared);
        assert_eq!(shared("/etc/cron.d/job"), Some(false));
        assert_eq!(shared("/var/spool/cron/crontabs/root"), Some(true));
        assert_eq!(shared("/home/a/.ssh/authorized_keys"), Some(true));
        assert_eq!(shared("/home/a/.config/systemd/user/x.service"), Some(false));
        assert_eq!(shared("/etc/passwd"), Some(true));
        assert_eq!(shared("/tmp/x"), None);
        assert_eq!(shared(""), None);
    }

    #[test]
    fn addresses_and_names_of_everybody_are_told_from_those_of_one() {
        for text in [
            "10.0.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "127.0.0.1",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
            "0.0.0.0",
        ] {
            assert!(text.parse().ok().and_then(inner).is_some(), "{text}");
        }
        for text in ["192.0.2.1", "198.51.100.9", "2001:db8::1", "100.128.0.1"] {
            assert!(text.parse().ok().and_then(inner).is_none(), "{text}");
        }
        assert!(is_served_by_many("Raw.GitHubusercontent.com.") && !is_served_by_many("notgithub.com"));
    }
}
