//! Handing letters to relays: connections within time limits, used again only after they did well.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use lettre::transport::smtp::{
    Error as SmtpError,
    authentication::{Credentials, Mechanism},
    client::AsyncSmtpConnection,
    extension::ClientId,
};
use tokio::{net::TcpStream, time::timeout};

use super::{Letter, Relay, Security, line::Line, tls};
use crate::{Reach, Verdict, reach::Names, text};

/// How long a whole delivery may take.
const TIME: Duration = Duration::from_secs(45);
const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection waits for another letter.
const IDLE: Duration = Duration::from_secs(20);
/// Connections that wait, over all relays.
const MOST_IDLE: usize = 16;
/// Letters over one connection.
const MOST_LETTERS: u32 = 100;

/// Hands letters to relays.
pub struct Mailer {
    names: Arc<dyn Names>,
    idle: Mutex<Vec<Open>>,
    time: Duration,
}

/// A connection that did well.
struct Open {
    relay: [u8; 32],
    connection: AsyncSmtpConnection,
    since: Instant,
    letters: u32,
}

/// Why a letter did not go.
enum Failed {
    Smtp(SmtpError),
    Verdict(Verdict),
}

impl From<SmtpError> for Failed {
    fn from(error: SmtpError) -> Self {
        Self::Smtp(error)
    }
}

impl Mailer {
    /// Nothing is connected until something is to be sent.
    pub fn new(names: Arc<dyn Names>) -> Self {
        Self { names, idle: Mutex::default(), time: TIME }
    }

    /// The same with another limit for a whole delivery.
    #[must_use]
    pub fn within(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Sends once.
    pub async fn send(&self, relay: &Relay, reach: Reach, letter: &Letter) -> Verdict {
        if let Err(bad) = relay.check(reach) {
            return Verdict::refused(format!("the relay is not used: {bad}"));
        }
        let message = match letter.write(relay) {
            Ok(message) => message,
            Err(error) => return Verdict::refused(error.to_string()),
        };
        // A delivery that is cut off takes its connection along: whose turn it is to speak there nobody knows.
        match timeout(self.time, self.try_send(relay, reach, &message)).await {
            Ok(Ok(())) => Verdict::Sent,
            Ok(Err(Failed::Smtp(error))) => judge(&error),
            Ok(Err(Failed::Verdict(verdict))) => verdict,
            Err(_) => Verdict::retry(format!("the relay took longer than {} s", self.time.as_secs())),
        }
    }

    async fn try_send(&self, relay: &Relay, reach: Reach, message: &lettre::Message) -> Result<(), Failed> {
        let key = relay.fingerprint();
        let mut open = if let Some(open) = self.waiting(key).await {
            open
        } else {
            let connection = self.connect(relay, reach).await?;
            Open { relay: key, connection, since: Instant::now(), letters: 0 }
        };
        open.connection.send(message.envelope(), &message.formatted()).await?;
        open.letters += 1;
        open.since = Instant::now();
        self.keep(open);
        Ok(())
    }

    /// A connection to this relay that waits and still answers.
    async fn waiting(&self, relay: [u8; 32]) -> Option<Open> {
        loop {
            let mut open = {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                idle.retain(|open| open.since.elapsed() < IDLE);
                let at = idle.iter().position(|open| open.relay == relay)?;
                idle.swap_remove(at)
            };
            if open.connection.test_connected().await {
                return Some(open);
            }
        }
    }

    fn keep(&self, mut open: Open) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if open.letters < MOST_LETTERS && idle.len() < MOST_IDLE && !open.connection.has_broken() {
            idle.push(open);
        } else {
            drop(idle);
            tokio::spawn(async move {
                let _ = timeout(CONNECT, open.connection.quit()).await;
            });
        }
    }

    async fn connect(&self, relay: &Relay, reach: Reach) -> Result<AsyncSmtpConnection, Failed> {
        let found = reach.resolve(&*self.names, &relay.host, relay.port).await.map_err(|error| {
            let why = error.to_string();
            Failed::Verdict(match error {
                crate::reach::Unreachable::Forbidden => Verdict::refused(why),
                crate::reach::Unreachable::Name(_) | crate::reach::Unreachable::Slow => Verdict::retry(why),
            })
        })?;
        if relay.security == Security::None && !found.iter().all(|at| at.ip().to_canonical().is_loopback()) {
            return Err(Failed::Verdict(Verdict::refused("without protection mail stays on this machine")));
        }
        let stream = match timeout(CONNECT, TcpStream::connect(&*found)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return Err(Failed::Verdict(Verdict::retry(format!("no connection to the relay: {error}"))));
            }
            Err(_) => return Err(Failed::Verdict(Verdict::retry("no connection to the relay in time"))),
        };
        let _ = stream.set_nodelay(true);
        let mut connection = greet(relay, stream).await?;
        if let Some((name, password)) = &relay.login {
            let login = Credentials::new(name.clone(), password.to_string());
            connection.auth(&[Mechanism::Plain, Mechanism::Login], &login).await?;
        }
        Ok(connection)
    }
}

async fn greet(relay: &Relay, stream: TcpStream) -> Result<AsyncSmtpConnection, Failed> {
    let hello = ClientId::default();
    let peer = stream.peer_addr().map_err(|error| Failed::Verdict(Verdict::retry(error.to_string())))?;
    Ok(match relay.security {
        Security::None => {
            AsyncSmtpConnection::connect_with_transport(Box::new(Line::plain(stream, peer)), &hello).await?
        }
        Security::StartTls => {
            let line = Box::new(Line::plain(stream, peer));
            let mut connection = AsyncSmtpConnection::connect_with_transport(line, &hello).await?;
            connection.starttls(tls::parameters(relay)?, &hello).await?;
            connection
        }
        Security::Tls => {
            let stream = tls::encrypt(relay, stream).await.map_err(|error| {
                Failed::Verdict(Verdict::retry(format!("no TLS with the relay: {error}")))
            })?;
            let line = Box::new(Line::encrypted(stream, peer));
            AsyncSmtpConnection::connect_with_transport(line, &hello).await?
        }
    })
}

fn judge(error: &SmtpError) -> Verdict {
    // What a relay answers helps to mend it, and is as foreign as anything else.
    let why = text::line(&error.to_string(), text::MOST);
    if error.is_permanent() || error.is_client() { Verdict::refused(why) } else { Verdict::retry(why) }
}
