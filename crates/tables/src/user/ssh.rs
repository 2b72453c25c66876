//! What people keep for SSH: `authorized_keys`, `known_hosts`, `user_ssh_keys`, `ssh_configs`.

use crate::env::Scan;
use crate::read;
use crate::table::{Row, Rows, Table, WITHIN, big, int, text};

use super::{Account, home, owners, shown};

pub(crate) static AUTHORIZED_KEYS: Table = Table {
    name: "authorized_keys",
    about: "Keys with which somebody may log in.",
    columns: &[
        big("uid").index(),
        text("algorithm"),
        text("key"),
        text("options"),
        text("comment"),
        text("key_file"),
        WITHIN,
    ],
    rows: authorized,
};

pub(crate) static KNOWN_HOSTS: Table = Table {
    name: "known_hosts",
    about: "Hosts that people connected to by SSH.",
    columns: &[big("uid").index(), text("key"), text("key_file")],
    rows: known,
};

pub(crate) static USER_KEYS: Table = Table {
    name: "user_ssh_keys",
    about: "Private keys in people's homes: whether each has a passphrase. No key is shown.",
    columns: &[
        big("uid").index(),
        text("path"),
        int("encrypted"),
        text("key_type"),
        text("key_group_name"),
        int("key_length"),
        int("key_security_bits"),
        WITHIN,
    ],
    rows: keys,
};

pub(crate) static SSH_CONFIGS: Table = Table {
    name: "ssh_configs",
    about: "Settings of people's SSH clients.",
    columns: &[big("uid").index(), text("block"), text("option"), text("ssh_config_file")],
    rows: configs,
};

/// Key types as they are written; what stands before one on its line are options.
const TYPES: &[&str] = &["ssh-", "ecdsa-", "sk-"];

fn each(
    scan: &Scan,
    names: &'static [&'static str],
    row: fn(&Scan, &Account, &str, String) -> Option<Row>,
) -> Rows {
    let scan = scan.clone();
    Box::new(owners(&scan).into_iter().flat_map(move |owner| {
        let mut rows = Vec::new();
        for name in names {
            let bytes = read::config(&scan.env, &home(&scan, &owner, name));
            let path = shown(&owner, name);
            rows.extend(read::settings(&bytes).filter_map(|line| row(&scan, &owner, &path, line)));
        }
        rows
    }))
}

fn authorized(scan: &Scan) -> Rows {
    each(scan, &[".ssh/authorized_keys", ".ssh/authorized_keys2"], |scan, owner, path, line| {
        let (options, rest) = apart(&line)?;
        let mut words = rest.splitn(3, char::is_whitespace);
        Some(
            scan.row()
                .set("uid", owner.uid)
                .set("algorithm", words.next()?)
                .set("key", words.next()?)
                .set("comment", words.next().unwrap_or_default().trim())
                .set("options", options)
                .set("key_file", path)
                .set("pid_with_namespace", scan.within()),
        )
    })
}

/// Options and the rest of a line of `authorized_keys`. Options may hold spaces within quotes.
fn apart(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let is_key = |text: &str| TYPES.iter().any(|begin| text.starts_with(begin));
    if is_key(line) {
        return Some(("", line));
    }
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            c if c.is_whitespace() && !quoted && is_key(line[at..].trim_start()) => {
                return Some((&line[..at], line[at..].trim_start()));
            }
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

fn known(scan: &Scan) -> Rows {
    each(scan, &[".ssh/known_hosts"], |scan, owner, path, line| {
        Some(scan.row().set("uid", owner.uid).set("key", line).set("key_file", path))
    })
}

fn configs(scan: &Scan) -> Rows {
    let scan = scan.clone();
    Box::new(owners(&scan).into_iter().flat_map(move |owner| {
        let bytes = read::config(&scan.env, &home(&scan, &owner, ".ssh/config"));
        let path = shown(&owner, ".ssh/config");
        let mut block = String::new();
        let mut rows = Vec::new();
        for line in read::settings(&bytes) {
            let line = line.trim().to_lowercase();
            if line.starts_with("host ") || line.starts_with("match ") {
                block = line;
                continue;
            }
            rows.push(
                scan.row()
                    .set("uid", owner.uid)
                    .set("block", block.as_str())
                    .set("option", line)
                    .set("ssh_config_file", path.as_str()),
            );
        }
        rows
    }))
}

/// A private key is read for its head only. Bytes.
const HEAD: u64 = 4096;

fn keys(scan: &Scan) -> Rows {
    let scan = scan.clone();
    Box::new(owners(&scan).into_iter().flat_map(move |owner| {
        let mut rows = Vec::new();
        for path in read::directory(&home(&scan, &owner, ".ssh")) {
            let Ok(head) = read::bytes(&path, HEAD) else { continue };
            let Some((kind, encrypted)) = private(&String::from_utf8_lossy(&head)) else { continue };
            rows.push(
                scan.row()
                    .set("uid", owner.uid)
                    .set("path", shown(&owner, &format!(".ssh/{}", read::name(&path))))
                    .set("encrypted", encrypted)
                    .set("key_type", kind)
                    .set("key_group_name", "")
                    .set("key_length", -1)
                    .set("key_security_bits", -1)
                    .set("pid_with_namespace", scan.within()),
            );
        }
        rows
    }))
}

/// The type, and whether a passphrase protects it.
fn private(head: &str) -> Option<(&'static str, bool)> {
    use base64::Engine as _;
    let (_, rest) = head.split_once("-----BEGIN ")?;
    let (label, body) = rest.split_once("PRIVATE KEY-----")?;
    match label.trim() {
        "RSA" => Some(("rsa", body.contains("ENCRYPTED"))),
        "DSA" => Some(("dsa", body.contains("ENCRYPTED"))),
        "EC" => Some(("ec", body.contains("ENCRYPTED"))),
        "ENCRYPTED" => Some(("", true)),
        "" => Some(("", false)),
        "OPENSSH" => {
            // `openssh-key-v1`, then the name of the cipher, with its length before it.
            let text: String = body.chars().filter(|c| !c.is_whitespace()).take(96).collect();
            let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
            let rest = bytes.strip_prefix(b"openssh-key-v1\0")?;
            Some(("", rest.get(4..8) != Some(b"none")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_may_hold_spaces() {
        let line = r#"command="echo \"a b\" ssh-x",no-pty ssh-ed25519 AAAA me@x"#;
        assert_eq!(apart(line), Some((r#"command="echo \"a b\" ssh-x",no-pty"#, "ssh-ed25519 AAAA me@x")));
        assert_eq!(apart("ssh-rsa AAAA"), Some(("", "ssh-rsa AAAA")));
        assert_eq!(apart("nonsense"), None);
    }
}
