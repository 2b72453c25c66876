//! Names and URLs in the one form under which they are listed.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Bytes of a URL.
const URL: usize = 2048;
/// Bytes of a name, and of one of its labels (RFC 1035).
const NAME: usize = 253;
const LABEL: usize = 63;

/// Takes the disguise off that analysts put on indicators so that nobody clicks on them: `hxxp`, `[.]`, `(dot)`.
pub(super) fn refang(text: &str) -> String {
    let mut text = text.trim().to_owned();
    let plain = [
        ("[.]", "."),
        ("(.)", "."),
        ("{.}", "."),
        ("[dot]", "."),
        ("(dot)", "."),
        ("[://]", "://"),
        ("[:]", ":"),
        ("[@]", "@"),
        ("[at]", "@"),
        ("(at)", "@"),
    ];
    for (from, to) in plain {
        if text.contains(from) {
            text = text.replace(from, to);
        }
    }
    let is_disguised = text.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("hxxp"));
    match text.get(4..) {
        Some(rest) if is_disguised => format!("http{rest}"),
        _ => text,
    }
}

/// A domain name in lower-case; `*.` may stand before it.
pub(super) fn domain(text: &str) -> Result<String, String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let (star, name) = match text.strip_prefix("*.") {
        Some(name) => ("*.", name),
        None => ("", text),
    };
    if !name.is_ascii() {
        return Err("not ASCII: write an international name in its ASCII form (xn--…)".to_owned());
    }
    if name.len() > NAME {
        return Err(format!("longer than {NAME} bytes"));
    }
    let labels: Vec<&str> = name.split('.').collect();
    for label in &labels {
        let fits = !label.is_empty()
            && label.len() <= LABEL
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-');
        if !fits {
            return Err(
                "not a domain name: labels of letters, digits, `-` and `_`, with dots between".to_owned()
            );
        }
    }
    if labels.len() < 2 {
        return Err("a domain name has at least two labels: a top-level domain is not listed".to_owned());
    }
    if labels.last().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit())) {
        return Err("neither an address nor a domain name".to_owned());
    }
    Ok(format!("{star}{}", name.to_ascii_lowercase()))
}

/// A URL: scheme and host in lower-case, no fragment, no port where it is the scheme's own.
pub(super) fn url(text: &str) -> Result<String, String> {
    if text.len() > URL {
        return Err(format!("longer than {URL} bytes"));
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("has blanks or bytes that are not ASCII: write them percent-encoded".to_owned());
    }
    let (scheme, rest) = text.split_once("://").ok_or("a URL begins with a scheme and `://`")?;
    let scheme = scheme.to_ascii_lowercase();
    let own_port = match scheme.as_str() {
        "http" | "ws" => "80",
        "https" | "wss" => "443",
        "ftp" => "21",
        "ftps" => "990",
        _ => return Err("a scheme that is not listed: http, https, ws, wss, ftp and ftps are".to_owned()),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if authority.contains('@') {
        return Err("has a user name: leave it out".to_owned());
    }
    let (host, port) = host_and_port(authority)?;
    let tail = tail.split('#').next().unwrap_or_default();
    let port = if port.is_empty() || port == own_port { String::new() } else { format!(":{port}") };
    let slash = if tail.starts_with('/') { "" } else { "/" };
    Ok(format!("{scheme}://{host}{port}{slash}{tail}"))
}

fn host_and_port(authority: &str) -> Result<(String, String), String> {
    let is_port = |port: &str| port.is_empty() || (port.len() <= 5 && port.parse::<u16>().is_ok());
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or("`[` without `]`")?;
        let address: Ipv6Addr = address.parse().map_err(|_| "not an IPv6 address between `[` and `]`")?;
        let port = if rest.is_empty() { "" } else { rest.strip_prefix(':').ok_or("not a port")? };
        return if is_port(port) {
            Ok((format!("[{address}]"), port.to_owned()))
        } else {
            Err("not a port".into())
        };
    }
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    if !is_port(port) {
        return Err("not a port".to_owned());
    }
    let host = match host.parse::<Ipv4Addr>() {
        Ok(address) => address.to_string(),
        Err(_) if host.starts_with("*.") => return Err("a URL has no `*` in its host".to_owned()),
        Err(_) => domain(host)?,
    };
    Ok((host, port.to_owned()))
}

/// A mail address in lower-case.
pub(super) fn sender(text: &str) -> Result<String, String> {
    let (local, host) = text.rsplit_once('@').ok_or("a mail address has an `@`")?;
    let is_local = (1..=64).contains(&local.len())
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~.-".contains(&b));
    if !is_local {
        return Err(
            "the part before `@` is not plain: 1 to 64 letters, digits and `!#$%&'*+/=?^_`{|}~.-`".to_owned()
        );
    }
    if host.starts_with("*.") {
        return Err("a mail address names one domain".to_owned());
    }
    Ok(format!("{}@{}", local.to_ascii_lowercase(), domain(host)?))
}
