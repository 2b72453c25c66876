//! `quell sso login`: the browser signs in, this program takes the session over.
//!
//! The browser comes back to a port of this machine with a code that only this program can use: the server was told the
//! digest of a secret that never leaves it (as in RFC 7636 and RFC 8252).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use quell_wire::digest::sha256;
use reqwest::Url;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::cli::Context;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::table::field;
use crate::output::{terminal, text};
use crate::profile::{ApiKey, Profile};

/// How long the person may take.
const PATIENCE: Duration = Duration::from_mins(10);
/// How long a browser may take to say what it wants.
const HEAD: Duration = Duration::from_secs(5);
/// The organisation of a server that has one.
pub const DEFAULT_TENANT: &str = "default";
const DONE: &str = "Signed in. You can close this page.";

/// Through which provider.
#[derive(Debug, Args)]
pub struct Login {
    /// Name of the provider
    pub provider: String,
    /// The organisation, by name or id
    #[arg(long, value_name = "TENANT", default_value = DEFAULT_TENANT)]
    pub tenant: String,
}

impl Login {
    /// Waits for the browser, and keeps the session for later commands.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let global = context.global();
        self.run_at(Profile::resolve(global.url.clone(), None, global.ca.clone())?).await
    }

    /// The same at this server.
    pub async fn run_at(&self, profile: Profile) -> Result<(), Failure> {
        let client = Client::new(&profile)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let verifier = random()?;
        let challenge = URL_SAFE_NO_PAD.encode(sha256(&[verifier.as_bytes()]));
        let url = self.address(&profile.url, port, &challenge)?;
        // Nothing goes on without it, so it is said whoever reads.
        terminal::complain(&format!(
            "Open this address in a browser on this computer:\n\n  {url}\n\n\
             The page shows the code {} before it signs this program in.",
            word(&challenge)
        ))?;
        open(&url);
        let code = tokio::time::timeout(PATIENCE, wait(&listener))
            .await
            .map_err(|_| Failure::new("nobody signed in within ten minutes"))??;
        let begun =
            client.post_open("/api/v1/sso/session", &json!({ "code": code, "verifier": verifier })).await?;
        keep(profile, &begun)
    }

    fn address(&self, base: &str, port: u16, challenge: &str) -> Result<Url, Failure> {
        let failed = |error| Failure::new(format!("`{base}`: {error}"));
        let path = format!("/api/v1/sso/start/{}/{}", segment(&self.tenant), segment(&self.provider));
        let mut url = Url::parse(base).and_then(|base| base.join(&path)).map_err(failed)?;
        url.query_pairs_mut().append_pair("cli", &port.to_string()).append_pair("challenge", challenge);
        Ok(url)
    }
}

fn keep(profile: Profile, begun: &Value) -> Result<(), Failure> {
    let token = field(begun, "/token");
    let path = Profile { api_key: Some(ApiKey::new(&token)?), ..profile }.store()?;
    let (name, tenant) = (field(begun, "/person/name"), field(begun, "/tenant/name"));
    terminal::say(&format!(
        "signed in as {} in {}; kept in {}",
        text::visible(&name),
        text::visible(&tenant),
        path.display()
    ))
}

fn random() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Failure::new("the system gave no randomness"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What the server's page shows of the challenge.
fn word(challenge: &str) -> String {
    let digest = sha256(&[challenge.as_bytes()]);
    format!("{:02X}{:02X}{:02X}", digest[0], digest[1], digest[2])
}

/// Opens a browser where there is a screen. Where that does not work, the person has the address.
fn open(url: &Url) {
    let has_screen = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    if has_screen {
        let _ = quell_host::program::start("xdg-open", [url.as_str()]);
    }
}

/// The code that a browser brings. Whoever else connects is answered and forgotten.
async fn wait(listener: &TcpListener) -> Result<String, Failure> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let head = tokio::time::timeout(HEAD, head(&mut stream)).await.ok().flatten();
        let code = head.as_deref().and_then(code);
        let (status, said) =
            if code.is_some() { ("200 OK", DONE) } else { ("404 Not Found", "Nothing here.") };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{said}",
            said.len()
        );
        // The session matters, not whether the page was shown.
        let _ = tokio::time::timeout(HEAD, stream.write_all(answer.as_bytes())).await;
        let _ = stream.shutdown().await;
        if let Some(code) = code {
            return Ok(code);
        }
    }
}

async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut piece = [0; 2048];
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        let length = stream.read(&mut piece).await.ok()?;
        if length == 0 || bytes.len() + length > 64 << 10 {
            return None;
        }
        bytes.extend_from_slice(&piece[..length]);
    }
    String::from_utf8(bytes).ok()
}

/// The code in the head of a request.
fn code(head: &str) -> Option<String> {
    let target = head.lines().next()?.strip_prefix("GET ")?.strip_suffix(" HTTP/1.1")?;
    let url = Url::parse("http://127.0.0.1/").ok()?.join(target).ok()?;
    let code = url.query_pairs().find(|(name, _)| name == "code")?.1.into_owned();
    let is_code = code.len() == 43 && code.bytes().all(|byte| byte.is_ascii_graphic());
    (url.path() == "/" && is_code).then_some(code)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_a_code_is_one() {
        let request = |target: &str| code(&format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let text = "a".repeat(43);
        assert_eq!(request(&format!("/?code={text}")).as_deref(), Some(text.as_str()));
        for target in ["/", "/?code=", "/favicon.ico", "/?code=short", &format!("/x?code={text}")] {
            assert_eq!(request(target), None, "{target}");
        }
        assert_eq!(code("POST /?code=x HTTP/1.1\r\n\r\n"), None);
    }

    #[tokio::test]
    async fn the_browser_that_brings_a_code_ends_the_wait() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ask = async |target: String| {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(format!("GET {target} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let browser = async {
            assert!(ask("/favicon.ico".to_owned()).await.starts_with("HTTP/1.1 404"));
            assert!(ask(format!("/?code={}", "b".repeat(43))).await.ends_with(DONE));
        };
        let (code, ()) = tokio::join!(wait(&listener), browser);
        assert_eq!(code.unwrap(), "b".repeat(43));
    }

    #[test]
    fn the_address_names_port_and_challenge() {
        let login = Login { provider: "staff".to_owned(), tenant: "A B".to_owned() };
        let url = login.address("https://quell.example", 5, "x").unwrap();
        assert_eq!(url.as_str(), "https://quell.example/api/v1/sso/start/A%20B/staff?cli=5&challenge=x");
    }
}
