//! A letter as bytes: headers that nothing foreign can end, and the text twice, plain and as HTML.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::{
    Body, Mailbox, Message, MultiPart, SinglePart,
    header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
};

use super::{Address, Relay};
use crate::text;

/// The longest subject, in characters.
const SUBJECT: usize = 150;

/// One letter to one person.
#[derive(Clone, Debug)]
pub struct Letter {
    /// To whom.
    pub to: Address,
    /// What it is about, one line.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// What tells it from others, the same over all tries: `<id@host>` is made from it.
    pub id: String,
    /// When it was written, microseconds since the Unix epoch.
    pub written_at: i64,
}

/// A letter that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the mail could not be put together")]
pub struct Unwritable(#[source] lettre::error::Error);

impl Letter {
    /// The letter as it is sent, lines ended by CRLF; ASCII only, so that every relay takes it.
    pub(super) fn write(&self, relay: &Relay) -> Result<Message, Unwritable> {
        let sender = text::header(&relay.from_name, 100);
        let from = Mailbox::new((!sender.is_empty()).then_some(sender), relay.from.inner().clone());
        let id: String = self.id.chars().filter(|c| c.is_ascii_alphanumeric() || "-.".contains(*c)).collect();
        let message = Message::builder()
            .from(from)
            .to(Mailbox::new(None, self.to.inner().clone()))
            .subject(text::header(&self.subject, SUBJECT))
            .message_id(Some(format!("<{id}@{}>", relay.from.inner().domain())))
            .date(UNIX_EPOCH + Duration::from_micros(u64::try_from(self.written_at).unwrap_or(0)))
            // RFC 3834: so that nobody's absence answers it.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("X-Auto-Response-Suppress"),
                "All".to_owned(),
            ));
        let both = MultiPart::alternative()
            .singlepart(part(ContentType::TEXT_PLAIN, &self.text))
            .singlepart(part(ContentType::TEXT_HTML, &self.html));
        message.multipart(both).map_err(Unwritable)
    }
}

fn part(kind: ContentType, text: &str) -> SinglePart {
    let body = Body::new_with_encoding(text.to_owned(), ContentTransferEncoding::QuotedPrintable)
        .unwrap_or_else(Body::new);
    SinglePart::builder().header(kind).body(body)
}
