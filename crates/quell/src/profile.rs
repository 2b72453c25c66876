//! Where the server is and which key opens it: from the environment, else from the file that `quell login` writes.

use std::fmt;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Where a server of this machine listens.
pub const DEFAULT_URL: &str = "http://127.0.0.1:8420";
/// The most that the file or a key may hold, bytes.
const MOST: u64 = 64 << 10;

/// An API key. Never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApiKey(String);

impl ApiKey {
    /// A key as it was typed or read.
    pub fn new(text: &str) -> Result<Self, Failure> {
        let text = text.trim();
        if text.is_empty() || text.len() > 512 || !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err(Failure::new("the API key is empty or holds characters that no key has"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The key itself, for the one header that carries it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

/// A server and the key to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Base address, `https://quell.example:8420`.
    pub url: String,
    /// The key.
    pub api_key: Option<ApiKey>,
    /// A CA certificate (PEM) to trust beside those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

impl Profile {
    /// What flags and environment give, else what the file holds, else a server of this machine.
    pub fn resolve(url: Option<String>, key: Option<String>, ca: Option<PathBuf>) -> Result<Self, Failure> {
        let api_key = key.as_deref().map(ApiKey::new).transpose()?;
        let stored = load(&path()?)?;
        // A key is for the server that it was stored with, and goes to no other.
        let same = url.is_none() || stored.as_ref().is_some_and(|stored| Some(&stored.url) == url.as_ref());
        let stored = stored.filter(|_| same);
        let profile = Self {
            url: url
                .or_else(|| stored.as_ref().map(|s| s.url.clone()))
                .unwrap_or_else(|| DEFAULT_URL.to_owned()),
            api_key: api_key.or_else(|| stored.as_ref().and_then(|s| s.api_key.clone())),
            ca: ca.or_else(|| stored.and_then(|s| s.ca)),
        };
        check_url(&profile.url)?;
        Ok(profile)
    }

    /// Keeps it, readable by its owner only. Answers where.
    pub fn store(&self) -> Result<PathBuf, Failure> {
        check_url(&self.url)?;
        let path = path()?;
        let failed = |error: std::io::Error| Failure::new(format!("writing {}: {error}", path.display()));
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let fresh = path.with_extension("json.new");
        let json = serde_json::to_string_pretty(self).map_err(|error| Failure::new(error.to_string()))?;
        // A file left by an earlier try may have other permissions.
        let _ = std::fs::remove_file(&fresh);
        let mut file = private_file(&fresh).map_err(failed)?;
        file.write_all(json.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(&fresh, &path).map_err(failed)?;
        Ok(path)
    }
}

pub(crate) fn private_file(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

fn path() -> Result<PathBuf, Failure> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CONFIG_HOME")
        .filter(|folder| folder.is_absolute())
        .or_else(|| set("HOME").map(|home| home.join(".config")))
        .map(|folder| folder.join("quell").join("cli.json"))
        .ok_or_else(|| {
            Failure::new("no home directory is known").hint("set HOME, or QUELL_URL and QUELL_API_KEY")
        })
}

fn load(path: &Path) -> Result<Option<Profile>, Failure> {
    let failed = |problem: String| Failure::new(format!("reading {}: {problem}", path.display()));
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error.to_string())),
    };
    check_private(&file).map_err(|problem| failed(problem).hint(format!("chmod 600 {}", path.display())))?;
    let mut json = String::new();
    file.take(MOST).read_to_string(&mut json).map_err(|error| failed(error.to_string()))?;
    serde_json::from_str(&json)
        .map(Some)
        .map_err(|error| failed(error.to_string()).hint("quell login writes it anew"))
}

#[cfg(unix)]
fn check_private(file: &std::fs::File) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let mode = file.metadata().map_err(|error| error.to_string())?.mode();
    let for_others = mode & 0o077;
    if for_others == 0 { Ok(()) } else { Err(format!("others may read it (mode {:03o})", mode & 0o777)) }
}

#[cfg(not(unix))]
fn check_private(_: &std::fs::File) -> Result<(), String> {
    Ok(())
}

/// A key must not cross a network in the clear.
fn check_url(url: &str) -> Result<(), Failure> {
    let parsed =
        reqwest::Url::parse(url).map_err(|error| Failure::new(format!("`{url}` is no address: {error}")))?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(Failure::new("the address holds a user name or password")
            .hint("the API key alone says who you are"));
    }
    match parsed.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(&parsed) => Ok(()),
        "http" => Err(Failure::new(format!("`{url}` would carry the API key over the network in the clear"))
            .hint("use https://, with --ca where the server has a certificate of its own")),
        other => Err(Failure::new(format!("`{other}:` is not an address of a server"))
            .hint("use https:// or http://127.0.0.1")),
    }
}

/// Whether the address never leaves this machine.
pub fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_key_never_crosses_a_network_in_the_clear() {
        for good in
            ["http://127.0.0.1:8420", "http://[::1]:8420", "http://localhost", "https://quell.example"]
        {
            check_url(good).unwrap();
        }
        for bad in [
            "http://quell.example",
            "http://127.0.0.1.example",
            "ftp://127.0.0.1",
            "nonsense",
            "https://user:word@quell.example",
        ] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        let key = ApiKey::new(" qk_secret \n").unwrap();
        assert_eq!(format!("{key:?}"), "***");
        assert_eq!(key.reveal(), "qk_secret");
        assert!(ApiKey::new("two words").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cli.json");
        std::fs::write(&path, r#"{"url": "http://127.0.0.1:1", "api_key": "k"}"#).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let failure = load(&path).unwrap_err();
        assert!(failure.message.contains("others may read it (mode 640)"), "{}", failure.message);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(load(&path).unwrap().unwrap().api_key.unwrap().reveal(), "k");
        assert_eq!(load(&folder.path().join("absent")).unwrap(), None);
    }
}
