//! With what a caller asks: the console, the command line, or a program of somebody's own. Kept with what they ask for, so
//! that people see where a task came from; nothing is allowed or refused by it, since anybody may say anything.

use std::fmt;

use http::HeaderMap;

/// The header that says it: `cli`, `console`, or `console/` and the screen.
pub(crate) const HEADER: &str = "quell-client";
/// The name of a screen has this many letters at most.
const LONGEST: usize = 32;

/// With what somebody asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Client {
    /// A program of somebody's own, or one that does not say.
    #[default]
    Api,
    /// The command line.
    Cli,
    /// The console, and the screen of it where that is told.
    Console(Option<String>),
}

impl Client {
    /// What the header says. One that says nothing, several things or nonsense is a program's.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(HEADER).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Self::Api };
        let Ok(text) = value.to_str() else { return Self::Api };
        match text.split_once('/') {
            None if text == "cli" => Self::Cli,
            None if text == "console" => Self::Console(None),
            Some(("console", screen)) if is_screen(screen) => Self::Console(Some(screen.to_owned())),
            None | Some(_) => Self::Api,
        }
    }

    /// `api`, `cli` or `console`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Cli => "cli",
            Self::Console(_) => "console",
        }
    }
}

fn is_screen(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Self::Console(Some(screen)) => write!(f, "/{screen}"),
            Self::Console(None) | Self::Api | Self::Cli => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn said(values: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_static(value));
        }
        Client::of(&headers).to_string()
    }

    #[test]
    fn what_is_not_known_is_a_program() {
        for same in ["cli", "console", "console/endpoints", "console/block-list"] {
            assert_eq!(said(&[same]), same);
        }
        for nonsense in [
            "",
            "Console",
            "timer",
            "console/",
            "console/../x",
            "console/a/b",
            "cli/x",
            "console/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert_eq!(said(&[nonsense]), "api", "{nonsense}");
        }
        assert_eq!(said(&[]), "api");
        assert_eq!(said(&["cli", "console"]), "api");
    }
}
