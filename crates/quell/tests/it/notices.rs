//! Mail and webhooks from the command line: set up, tried, and what could not be sent.

use quell_lab::MailSink;

use crate::operate::Site;

#[test]
fn mail_is_set_up_and_tried_from_the_command_line() {
    let sink = match MailSink::start() {
        Ok(sink) => sink,
        Err(error) => {
            println!("skipped: {error}");
            return;
        }
    };
    let site = Site::open();
    let port = sink.address().port().to_string();
    assert!(site.say(&["mail", "show"]).out.contains("mail is not set up"));
    let set = [
        "mail",
        "set",
        "--from",
        "quell@quell.example",
        "--host",
        "127.0.0.1",
        "--port",
        &port,
        "--tls",
        "none",
        "--recipient",
        "soc@quell.example",
    ];
    let said = site.say(&set);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains(&format!("127.0.0.1:{port} (none)")), "{}", said.out);
    let said = site.say(&["mail", "set", "--off"]);
    assert!(said.out.contains("soc@quell.example") && said.out.contains("sent        no"), "{}", said.out);
    assert_eq!(site.say(&["mail", "test"]).code, 0);
    let refused = site.say(&["mail", "test", "reject@quell.example"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("550") && !refused.err.contains('\u{1b}'), "{}", refused.err);
    assert_eq!(sink.messages()[0].to, ["soc@quell.example"]);
    let wrong = site.say(&["mail", "template", "set", "task_failed", "--subject", "{{ headlin }}"]);
    assert!(wrong.code == 1 && wrong.err.contains("line 1"), "{}", wrong.err);
}

#[test]
fn a_webhook_is_kept_from_the_servers_own_network() {
    let site = Site::open();
    let refused = site.say(&["webhooks", "add", "siem", "https://127.0.0.1/hook"]);
    assert!(refused.code == 1 && refused.err.contains("public Internet"), "{}", refused.err);
    let added =
        site.say(&["webhooks", "add", "siem", "https://hooks.example/quell", "--kind", "task_failed"]);
    assert_eq!(added.code, 0, "{}", added.err);
    let secret = added.out.split_whitespace().find(|word| word.starts_with("whsec_")).unwrap();
    let id = added.out.split_whitespace().nth(1).unwrap();
    let listed = site.say(&["webhooks"]);
    assert!(listed.out.contains("task_failed") && !listed.out.contains(secret), "{}", listed.out);
    assert_ne!(site.say(&["webhooks", "rotate", id]).out, added.out);
    let changed = site.say(&["webhooks", "change", id, "--off"]);
    assert!(changed.out.contains("disabled") && changed.out.contains("task_failed"), "{}", changed.out);
    assert_eq!(site.say(&["webhooks", "remove", id]).code, 0);
    assert!(site.say(&["notices", "list", "--dead"]).out.contains("nothing to show"));
}
