//! SQL asked through the API: of one endpoint, and of several with one merged result.

use serde_json::{Value, json};

use crate::{ended, said, site, succeeded};

#[test]
fn an_endpoint_answers_sql_and_says_what_it_does_not_know() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    said(
        &web,
        "echo 'needle of the lab' > /root/needle && cp /bin/sleep /root/gone && /root/gone 300 & sleep 1; rm /root/gone; :",
    );
    let ask = |params: &Value| site.act("web-1", "endpoint.run_osquery", params).unwrap();
    let task = ask(&json!({ "sql": "SELECT path, sha256 FROM hash WHERE path = '/root/needle'" }));
    let outcome = &succeeded(&task)["outcome"];
    let digest = said(&web, "sha256sum < /root/needle");
    assert_eq!(outcome["rows"]["shown"][0]["sha256"], json!(digest.split(' ').next().unwrap()));
    assert_eq!(outcome["engine"], "embedded");
    let task =
        ask(&json!({ "sql": "SELECT pid, path FROM processes WHERE on_disk = 0 AND path = '/root/gone'" }));
    let pid = succeeded(&task)["outcome"]["rows"]["shown"][0]["pid"].to_string();
    assert_eq!(pid, said(&web, "pgrep -xn gone").trim());
    let addresses = ask(
        &json!({ "sql": "SELECT address FROM interface_addresses WHERE interface != 'lo' AND address NOT LIKE '%:%'" }),
    );
    let shown = said(&web, "ip -4 -o addr show scope global");
    let own = succeeded(&addresses)["outcome"]["rows"]["shown"][0]["address"].as_str().unwrap().to_owned();
    assert!(shown.contains(&own), "{shown}: {own}");
    // Nor does it ask rules for the bits of the agent's key.
    let key =
        "path = '/var/lib/quell-agent/key.der' AND sigrule = 'rule odd { condition: uint8(0) & 1 != 0 }'";
    let task = ask(&json!({ "sql": format!("SELECT matches FROM yara WHERE {key}") }));
    let outcome = &succeeded(&task)["outcome"];
    assert_eq!(outcome["rows"]["count"], 0, "{outcome:#}");
    assert!(outcome["warnings"].to_string().contains("belongs to the agent"), "{outcome:#}");
    assert_eq!(said(&web, "test -s /var/lib/quell-agent/key.der && echo there"), "there");
    for (sql, code) in [
        ("SELECT * FROM proceses", "sql_invalid"),
        ("SELECT * FROM file", "condition_missing"),
        ("DROP TABLE users", "sql_refused"),
        ("SELECT randomblob(1000000000)", "memory_limit"),
    ] {
        let task = ask(&json!({ "sql": sql, "time_limit_seconds": 5 }));
        assert_eq!(ended(&task).1, code, "{sql}: {task}");
    }
}

#[test]
fn a_sweep_asks_all_and_each_answers_for_itself() {
    let Some(site) = site() else { return };
    let names = ["web-1", "web-2", "web-3"];
    let machines: Vec<_> = names.iter().map(|name| site.machine(name).unwrap()).collect();
    let body = "title: Hosts\ndescription: Who is there.\nattack: T1082\nsql: SELECT content FROM (SELECT sha256 AS content FROM hash WHERE path = '/root/who')\n";
    site.api.post("/library/query", &json!({ "name": "who", "body": body })).unwrap().good().unwrap();
    for (name, machine) in names.iter().zip(&machines) {
        said(machine, &format!("echo {name} > /root/who"));
    }
    let request = json!({
        "action": "endpoint.run_osquery", "params": { "query": "who" }, "reason": "a sweep",
        "targets": { "endpoints": names },
    });
    let task = site.api.post("/tasks", &request).unwrap().good().unwrap();
    let task = site.ended(&task).unwrap();
    assert_eq!(task["state"], "succeeded", "{task}");
    let mut found: Vec<String> = task["commands"]["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|command| {
            command["outcome"]["rows"]["shown"][0]["content"].as_str().unwrap_or_default().to_owned()
        })
        .collect();
    let mut expected: Vec<String> = machines
        .iter()
        .map(|machine| said(machine, "sha256sum < /root/who").split(' ').next().unwrap().to_owned())
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}
