//! Single sign-on on the command line: through a real provider, in as much of a browser as that needs.

#[expect(dead_code, reason = "the server's own tests use more of it")]
#[path = "../../../server/tests/it/sso/browser.rs"]
mod browser;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use browser::{Browser, between};
use quell_lab::OidcProvider;
use serde_json::json;

use crate::program::{Running, quell, run};

#[test]
fn a_program_is_signed_in_through_the_browser() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = quell(folder.path());
    command.args([
        "server",
        "--api",
        "127.0.0.1:0",
        "--gateway",
        "127.0.0.1:0",
        "--destinations",
        "any",
        "--data-dir",
    ]);
    command.arg(folder.path().join("data"));
    let (_server, lines, is_ready) = Running::start(command, |line| line.contains("the server is ready"));
    assert!(is_ready, "{lines:?}");
    let url = lines.iter().find_map(|line| line.strip_prefix("API      ")).unwrap().to_owned();
    let key = std::fs::read_to_string(folder.path().join("data/admin.key")).unwrap();
    let named = url.replace("127.0.0.1", "localhost");
    let mut provider = match OidcProvider::start(&format!("{named}/api/v1/sso/callback")) {
        Ok(provider) => provider,
        Err(error) => {
            println!("skipped: {error}");
            return;
        }
    };
    let alice =
        json!({ "email": "alice@quell.example", "email_verified": true, "name": "Alice", "groups": ["soc"] });
    provider.accounts(&json!({ "alice": alice })).unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, format!("{}\n", OidcProvider::SECRET)).unwrap();
    let added = run(quell(folder.path())
        .args([
            "sso",
            "add",
            "staff",
            provider.issuer(),
            "--client-id",
            OidcProvider::CLIENT,
            "--secret-stdin",
        ])
        .args(["--group", "soc=analyst", "--make-accounts", "yes", "--scope", "email", "--scope", "profile"])
        .args(["--scope", "groups", "--url", &url])
        .env("QUELL_API_KEY", key.trim())
        .stdin(std::fs::File::open(&secret).unwrap()));
    assert_eq!(added.code, 0, "{}", added.err);
    assert!(added.out.contains(&format!("{named}/api/v1/sso/callback")), "{}", added.out);

    let mut login = quell(folder.path())
        .args(["login", "--sso", "staff", "--url", &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(login.stderr.take().unwrap()).lines().map_while(Result::ok);
    let start =
        said.find_map(|line| line.trim().strip_prefix("http").map(|rest| format!("http{rest}"))).unwrap();
    let word = said.find_map(|line| between(&line, "the code ", " ").map(str::to_owned)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut browser = Browser::new();
        let page = browser.sign_in(&start, "alice").await;
        assert!(page.status == 200 && page.text.contains(&word), "{page:?}");
        let onward = between(&page.text, "<a href=\"", "\"").unwrap().to_owned();
        assert!(browser.open(&onward).await.text.contains("You can close this page"));
    });
    let done = login.wait_with_output().unwrap();
    let out = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success() && out.starts_with("signed in as Alice in default"), "{out}");
    let mine = run(quell(folder.path()).args(["passkeys", "list", "-o", "json"]));
    assert_eq!((mine.code, mine.out.trim()), (0, "[]"), "{}", mine.err);
    let denied = run(quell(folder.path()).args(["keys", "list"]));
    assert_ne!(denied.code, 0, "an analyst sees no keys");
    let listed = run(quell(folder.path()).args(["sso", "list"]).env("QUELL_API_KEY", key.trim()));
    assert!(listed.out.contains("soc=analyst") && !listed.out.contains("s3cret"), "{}", listed.out);
    for arguments in [vec!["sso", "change", "staff", "--off"], vec!["sso", "remove", "staff"]] {
        let said = run(quell(folder.path()).args(&arguments).env("QUELL_API_KEY", key.trim()));
        assert_eq!(said.code, 0, "{arguments:?}: {}", said.err);
    }
    let gone = run(quell(folder.path()).args(["tasks"]));
    assert_ne!(gone.code, 0, "her role went with the provider");
}
