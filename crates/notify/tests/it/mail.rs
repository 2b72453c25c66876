//! Mail, to Python's aiosmtpd.

use std::{path::PathBuf, sync::Arc, time::Duration};

use quell_lab::mail::{MailSink, Options, Security as Sink};
use quell_notify::{
    Kind, Notice, Reach, Verdict,
    mail::{Address, Letter, Mailer, Relay, Security},
    reach::SystemNames,
    template::{Entry, Scene, render_default},
};
use tempfile::TempDir;
use tokio::{io::AsyncReadExt as _, io::AsyncWriteExt as _, net::TcpListener};

macro_rules! sink {
    ($options:expr) => {
        match MailSink::with($options) {
            Ok(sink) => sink,
            Err(error) => {
                eprintln!("skipped: {error}");
                return;
            }
        }
    };
}

const LIMIT: Duration = Duration::from_secs(10);

fn relay(port: u16, security: Security) -> Relay {
    Relay {
        host: "127.0.0.1".to_owned(),
        port,
        security,
        login: None,
        from: Address::parse("quell@example.org").unwrap(),
        from_name: "Quell\r\nBcc: eve@example.org".to_owned(),
        ca: None,
    }
}

fn letter(to: &str) -> Letter {
    Letter {
        to: Address::parse(to).unwrap(),
        subject: "Zoë wants it".to_owned(),
        text: "Grüße\n.\n.dot\nEnd\n".to_owned(),
        html: "<p>Grüße</p>\n".to_owned(),
        id: "018f-1".to_owned(),
        written_at: 1_795_334_400_000_000,
    }
}

fn mailer() -> Mailer {
    Mailer::new(Arc::new(SystemNames))
}

/// A certificate for 127.0.0.1 with its own authority: the authority as PEM, and the files for a server.
fn certificate(folder: &TempDir) -> (String, (PathBuf, PathBuf)) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (chain, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (made.cert.pem(), (chain, key))
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let sink = sink!(&Options::default());
    let mailer = mailer();
    let relay = relay(sink.address().port(), Security::None);
    for _ in 0..3 {
        assert_eq!(mailer.send(&relay, Reach::Anywhere, &letter("ann@example.org")).await, Verdict::Sent);
    }
    let mails = sink.wait_for(3, LIMIT).await;
    let mail = &mails[0];
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("quell@example.org", &["ann@example.org".to_owned()][..])
    );
    assert_eq!((mail.subject.as_str(), mail.text.as_str()), ("Zoë wants it", "Grüße\n.\n.dot\nEnd\n"));
    assert_eq!(mail.html, "<p>Grüße</p>\n");
    assert_eq!(mail.header("message-id"), Some("<018f-1@example.org>"));
    assert_eq!(mail.header("auto-submitted"), Some("auto-generated"));
    assert_eq!(mail.header("date"), Some("Sun, 22 Nov 2026 08:00:00 +0000"));
    assert_eq!(mail.header("bcc"), None, "{:?}", mail.headers);
    assert!(mail.raw.is_ascii());
    assert!(mails.iter().all(|mail| mail.peer == mails[0].peer), "a connection is used again");
}

#[tokio::test]
async fn tls_and_login_are_what_the_tenant_said() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, files) = certificate(&folder);
    let login = ("quell".to_owned(), "correct horse".to_owned());
    for (sink, security) in [(Sink::StartTls, Security::StartTls), (Sink::Tls, Security::Tls)] {
        let options = Options {
            security: sink,
            login: Some(login.clone()),
            certificate: Some(files.clone()),
            ..Options::default()
        };
        let sink = sink!(&options);
        let mailer = mailer();
        let mut relay = relay(sink.address().port(), security);
        // The certificate is not one that the system trusts.
        let untrusted = mailer.send(&relay, Reach::Anywhere, &letter("ann@example.org")).await;
        assert!(matches!(untrusted, Verdict::Retry { .. }), "{security:?}: {untrusted:?}");
        relay.ca = Some(authority.clone());
        relay.login = Some(("quell".to_owned(), "wrong".to_owned().into()));
        let wrong = mailer.send(&relay, Reach::Anywhere, &letter("ann@example.org")).await;
        assert!(matches!(&wrong, Verdict::Refused { why } if why.contains("535")), "{security:?}: {wrong:?}");
        relay.login = Some((login.0.clone(), login.1.clone().into()));
        let sent = mailer.send(&relay, Reach::Anywhere, &letter("ann@example.org")).await;
        assert_eq!(sent, Verdict::Sent, "{security:?}");
        let mails = sink.wait_for(1, LIMIT).await;
        assert_eq!((mails.len(), mails[0].encrypted, mails[0].login.as_deref()), (1, true, Some("quell")));
    }
}

#[tokio::test]
async fn no_mail_goes_in_the_clear_where_tls_was_wanted() {
    let sink = sink!(&Options::default());
    let relay = relay(sink.address().port(), Security::StartTls);
    let verdict = mailer().send(&relay, Reach::Anywhere, &letter("ann@example.org")).await;
    assert!(matches!(&verdict, Verdict::Refused { why } if why.contains("STARTTLS")), "{verdict:?}");
    assert!(sink.messages().is_empty());
}

#[tokio::test]
async fn what_a_relay_says_decides_what_comes_next() {
    let sink = sink!(&Options::default());
    let (mailer, relay) = (mailer(), relay(sink.address().port(), Security::None));
    let rejected = mailer.send(&relay, Reach::Anywhere, &letter("reject@example.org")).await;
    assert!(
        matches!(&rejected, Verdict::Refused { why } if why.contains("550") && !why.contains('\u{1b}')),
        "{rejected:?}"
    );
    let later = mailer.send(&relay, Reach::Anywhere, &letter("later@example.org")).await;
    assert!(matches!(&later, Verdict::Retry { why, .. } if why.contains("451")), "{later:?}");
    assert_eq!(mailer.send(&relay, Reach::Anywhere, &letter("later@example.org")).await, Verdict::Sent);
    let impatient = Mailer::new(Arc::new(SystemNames)).within(Duration::from_millis(300));
    let slow = impatient.send(&relay, Reach::Anywhere, &letter("slow@example.org")).await;
    assert!(matches!(slow, Verdict::Retry { .. }), "{slow:?}");
    // A connection that was cut off in the middle is not used again.
    assert_eq!(impatient.send(&relay, Reach::Anywhere, &letter("ann@example.org")).await, Verdict::Sent);
    drop(sink);
    let down = mailer.send(&relay, Reach::Anywhere, &letter("ann@example.org")).await;
    assert!(matches!(down, Verdict::Retry { .. }), "{down:?}");
}

#[tokio::test]
async fn hostile_names_reach_no_header_and_no_markup() {
    let sink = sink!(&Options::default());
    let (mailer, relay) = (mailer(), relay(sink.address().port(), Security::None));
    let hostile = [
        "a\r\nBcc: eve@example.org",
        "a\nSubject: other\n\nbody",
        "=?utf-8?q?x=0D=0ABcc:_eve@example.org?=",
        "\u{1b}]0;title\u{7}\u{1b}[2J",
        "cod.exe\u{202e}gpj.txt\u{2066}",
        "<script>alert(1)</script>",
        "{{ 7 * 7 }}{% for x in y %}",
        "\r\n.\r\nMAIL FROM:<eve@example.org>\r\n",
        &"x".repeat(4096),
        &"\u{200b}".repeat(4096),
        "nul\0byte",
        "\u{2028}\u{85}\u{b}\u{c}lines",
    ];
    for (number, name) in hostile.iter().enumerate() {
        let mut notice = Notice::sample(Kind::TaskFailed);
        notice.headline = format!("Isolation failed on {name}");
        notice.targets = vec![(*name).to_owned()];
        notice.actor.name = (*name).to_owned();
        notice.reason = Some((*name).to_owned());
        let scene = Scene { entries: vec![Entry { notice, link: None }], folded: 0 };
        let text = render_default(Kind::TaskFailed, scene).unwrap();
        let letter = Letter {
            subject: text.subject,
            text: text.text,
            html: text.html,
            id: format!("id-{number}\r\nX: y"),
            ..letter("ann@example.org")
        };
        assert_eq!(mailer.send(&relay, Reach::Anywhere, &letter).await, Verdict::Sent, "{name:?}");
    }
    let mails = sink.wait_for(hostile.len(), LIMIT).await;
    assert_eq!(mails.len(), hostile.len(), "a name ended a mail, or began one");
    for mail in mails {
        let names: Vec<&str> = mail.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.len(), 9, "{names:?}");
        assert!(mail.header("bcc").is_none() && mail.header("x").is_none(), "{names:?}");
        assert_eq!(mail.to, ["ann@example.org"]);
        assert!(
            mail.subject.starts_with("[Quell] Isolation failed on") && mail.subject.chars().count() < 200
        );
        let all = format!("{}{}{}", mail.subject, mail.text, mail.html);
        let wrong = |c: char| c.is_control() && c != '\n' || "\u{202e}\u{2066}\u{200b}\u{2028}".contains(c);
        assert!(!all.contains(wrong), "{all:?}");
        assert!(!mail.html.contains("<script"));
        assert!(mail.raw.len() < 32 << 10, "{}", mail.raw.len());
    }
}

/// A man in the middle who answers STARTTLS and says in advance, in the clear, what is believed after it.
#[tokio::test]
async fn nothing_said_before_tls_counts_after_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let trick = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 1024];
        stream.write_all(b"220 mail.example.org\r\n").await.unwrap();
        let _ = stream.read(&mut bytes).await.unwrap();
        stream.write_all(b"250-mail.example.org\r\n250 STARTTLS\r\n").await.unwrap();
        let _ = stream.read(&mut bytes).await.unwrap();
        stream
            .write_all(b"220 go\r\n250-mail.example.org\r\n250 OK\r\n250 OK\r\n250 OK\r\n354 x\r\n250 OK\r\n")
            .await
            .unwrap();
        let _ = stream.read(&mut bytes).await;
    });
    let verdict =
        mailer().send(&relay(port, Security::StartTls), Reach::Anywhere, &letter("ann@example.org")).await;
    assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
    trick.await.unwrap();
}

#[tokio::test]
async fn a_relay_that_talks_without_end_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let talk = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut said = 0_usize;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {
            said += 4096;
        }
        said
    });
    let verdict =
        mailer().send(&relay(port, Security::None), Reach::Anywhere, &letter("ann@example.org")).await;
    assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
    let said = talk.await.unwrap();
    assert!(said < 16 << 20, "{said}");
}

#[tokio::test]
async fn a_relay_is_not_where_the_server_must_not_go() {
    let (mailer, letter) = (mailer(), letter("ann@example.org"));
    let mut inside = relay(25, Security::StartTls);
    for host in ["127.0.0.1", "169.254.169.254", "localhost", "::1"] {
        host.clone_into(&mut inside.host);
        let verdict = mailer.send(&inside, Reach::Private, &letter).await;
        assert!(matches!(verdict, Verdict::Refused { .. }), "{host}: {verdict:?}");
    }
}
