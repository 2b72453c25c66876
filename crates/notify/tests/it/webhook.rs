//! Webhooks, to receivers that behave and to those that do not.

use std::{
    net::IpAddr,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use quell_lab::receiver::{Manner, Receiver};
use quell_notify::{
    Reach, Verdict,
    reach::{Looking, Names, SystemNames},
    webhook::{Post, Poster, Secret},
};

fn poster(reach: Reach, names: impl Names + 'static) -> Poster {
    Poster::with_time(reach, Arc::new(names), Duration::from_millis(800)).unwrap()
}

async fn post(poster: &Poster, url: &str, secrets: &[Secret]) -> Verdict {
    let post = Post { url, id: "msg_1", timestamp: 1_795_334_400, body: b"{\"type\":\"test\"}", secrets };
    poster.post(&post).await
}

#[tokio::test]
async fn a_post_is_verified_by_somebody_elses_library() {
    let receiver = Receiver::start(Manner::status("204 No Content")).await.unwrap();
    let secrets = [Secret::generate().unwrap(), Secret::generate().unwrap()];
    let poster = poster(Reach::Anywhere, SystemNames);
    // The library refuses what is older than five minutes.
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs().cast_signed();
    let sent = poster
        .post(&Post {
            url: &receiver.url(),
            id: "msg_1",
            timestamp: now,
            body: b"{\"n\":1}",
            secrets: &secrets,
        })
        .await;
    assert_eq!(sent, Verdict::Sent);
    let request = receiver.requests().remove(0);
    assert!(request.head.starts_with("POST /hook HTTP/1.1"), "{}", request.head);
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("webhook-signature").unwrap().split(' ').count(), 2);
    let python = match quell_lab::mail::python() {
        Ok(python) => python,
        Err(error) => {
            eprintln!("skipped: {error}");
            return;
        }
    };
    // The ten lines of the documentation, as they stand there.
    let page = include_str!("../../../../docs/notices.md");
    let documented = page.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let verify_with = |program: &str, secret: &Secret, body: &[u8]| {
        let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"]
            .map(|name| (name, request.header(name).unwrap()))
            .into_iter()
            .collect::<std::collections::BTreeMap<_, _>>();
        Command::new(&python)
            .args(["-c", program, &secret.text(), std::str::from_utf8(body).unwrap()])
            .arg(serde_json::to_string(&headers).unwrap())
            .output()
            .unwrap()
            .status
            .success()
    };
    let library = "import json,sys; from standardwebhooks import Webhook; \
        Webhook(sys.argv[1]).verify(sys.argv[2].encode(), json.loads(sys.argv[3]))";
    let own = format!(
        "import json, sys\n{documented}\n\
        sys.exit(not is_from_quell(sys.argv[1], json.loads(sys.argv[3]), sys.argv[2].encode()))"
    );
    let verify = |secret: &Secret, body: &[u8]| {
        let (by_library, by_hand) = (verify_with(library, secret, body), verify_with(&own, secret, body));
        assert_eq!(by_library, by_hand, "the documentation verifies otherwise");
        by_library
    };
    assert!(verify(&secrets[0], &request.body) && verify(&secrets[1], &request.body));
    assert!(!verify(&secrets[0], b"{\"n\":2}"), "another body");
    assert!(!verify(&Secret::generate().unwrap(), &request.body), "another secret");
}

#[tokio::test]
async fn answers_say_what_comes_next() {
    let poster = poster(Reach::Anywhere, SystemNames);
    let secret = [Secret::generate().unwrap()];
    for (line, expected) in
        [("200 OK", "sent"), ("410 Gone", "gone"), ("404 No", "refused"), ("503 Later", "retry")]
    {
        let receiver = Receiver::start(Manner::status(line)).await.unwrap();
        let verdict = post(&poster, &receiver.url(), &secret).await;
        let name = match verdict {
            Verdict::Sent => "sent",
            Verdict::Gone => "gone",
            Verdict::Refused { .. } => "refused",
            Verdict::Retry { .. } => "retry",
        };
        assert_eq!(name, expected, "{line}");
    }
    let busy = "HTTP/1.1 429 Slow\r\nretry-after: 33\r\ncontent-length: 0\r\n\r\n".to_owned();
    let receiver = Receiver::start(Manner::Answer(busy)).await.unwrap();
    assert!(matches!(
        post(&poster, &receiver.url(), &secret).await,
        Verdict::Retry { after: Some(after), .. } if after.as_secs() == 33
    ));
    let nobody = format!("http://127.0.0.1:{}/", 1);
    assert!(matches!(post(&poster, &nobody, &secret).await, Verdict::Retry { .. }));
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let inside = Receiver::start(Manner::status("200 OK")).await.unwrap();
    let lure = format!("HTTP/1.1 307 There\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", inside.url());
    let receiver = Receiver::start(Manner::Answer(lure)).await.unwrap();
    let verdict = post(&poster(Reach::Anywhere, SystemNames), &receiver.url(), &[]).await;
    assert!(matches!(&verdict, Verdict::Refused { why } if why.contains("307")), "{verdict:?}");
    assert!(inside.requests().is_empty(), "the redirect was followed");
}

#[tokio::test]
async fn a_receiver_takes_neither_time_nor_memory() {
    let poster = poster(Reach::Anywhere, SystemNames);
    let slow = Receiver::start(Manner::Silent(Duration::from_secs(30))).await.unwrap();
    let began = Instant::now();
    let verdict = post(&poster, &slow.url(), &[]).await;
    assert!(matches!(&verdict, Verdict::Retry { why, .. } if why.contains("no answer")), "{verdict:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
    // Ten megabytes that nobody asked for: the head was enough.
    let endless = Receiver::start(Manner::Endless).await.unwrap();
    assert_eq!(post(&poster, &endless.url(), &[]).await, Verdict::Sent);
    let heads = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x-filler: y\r\n".repeat(100_000));
    let many = Receiver::start(Manner::Answer(heads)).await.unwrap();
    assert!(matches!(post(&poster, &many.url(), &[]).await, Verdict::Retry { .. }));
}

/// A name server that says at first what is allowed, and then what is not.
struct Turning(Arc<AtomicUsize>);

impl Names for Turning {
    fn look_up(&self, _: String) -> Looking {
        let asked = self.0.fetch_add(1, Ordering::SeqCst);
        let address: IpAddr = if asked == 0 { "192.0.2.1" } else { "127.0.0.1" }.parse().unwrap();
        Box::pin(async move { Ok(vec![address]) })
    }
}

#[tokio::test]
async fn a_name_that_turns_inwards_is_refused() {
    let inside = Receiver::start(Manner::status("200 OK")).await.unwrap();
    let port = inside.address().port();
    let asked = Arc::new(AtomicUsize::new(1));
    let url = format!("https://hooks.example:{port}/hook");
    let poster = poster(Reach::Global, Turning(Arc::clone(&asked)));
    let verdict = post(&poster, &url, &[]).await;
    assert!(matches!(&verdict, Verdict::Refused { why } if why.contains("public Internet")), "{verdict:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 2, "one question for one connection");
    assert!(inside.requests().is_empty());
    for url in ["https://127.0.0.1/", "https://localhost/", "https://[::1]:8420/", "http://192.0.2.1/"] {
        let verdict = post(&self::poster(Reach::Global, SystemNames), url, &[]).await;
        assert!(matches!(verdict, Verdict::Refused { .. }), "{url}: {verdict:?}");
    }
}
