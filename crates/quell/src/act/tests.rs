//! Tests over the list: every action has its command, its flags say what its schema says, and no two flags collide.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use clap::{CommandFactory, FromArgMatches};
use quell_catalog::ActionKind;
use serde_json::{Value, json};

use super::submit::body;
use super::*;
use crate::cli::{self, Cli};

/// Actions as they are typed, one of each kind of flag, and the parameters that they mean.
fn examples() -> Vec<(ActionKind, &'static str, Value)> {
    vec![
        (
            ActionKind::EndpointIsolate,
            "endpoint isolate --allow 192.0.2.0/24 --allow network=2001:db8::/32,protocol=tcp,port=443 \
             --canaries [2001:db8::7]:443 --release-after-channel-loss-minutes 30",
            json!({
                "allow": [
                    {"network": "192.0.2.0/24"},
                    {"network": "2001:db8::/32", "protocol": "tcp", "port": 443},
                ],
                "canaries": ["[2001:db8::7]:443"],
                "release_after_channel_loss_minutes": 30,
            }),
        ),
        (ActionKind::EndpointRestore, "endpoint restore", json!({})),
        (
            ActionKind::EndpointRunScript,
            "endpoint run-script --script triage --interpreter bash --arguments -l --arguments /var \
             --success-exit-codes 0 --success-exit-codes -1 --time-limit-seconds 60",
            json!({
                "script": "triage", "interpreter": "bash", "arguments": ["-l", "/var"], "success_exit_codes": [0, -1],
                "time_limit_seconds": 60,
            }),
        ),
        (
            ActionKind::FileCollect,
            "file collect --path /etc/hosts --follow-links",
            json!({"path": "/etc/hosts", "follow_links": true}),
        ),
        (
            ActionKind::ProcessTerminate,
            "process terminate --pid 4211 --start-time 918273 --descendants --grace-seconds 5",
            json!({"pid": 4211, "start_time": 918_273, "descendants": true, "grace_seconds": 5}),
        ),
    ]
}

fn parse(line: &str) -> Result<Request, String> {
    let words = ["quell", "act"].into_iter().chain(line.split_whitespace());
    let matches = Cli::command().try_get_matches_from(words).map_err(|error| error.to_string())?;
    match Cli::from_arg_matches(&matches).map_err(|error| error.to_string())?.command {
        cli::Command::Act(request) => Ok(request),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

/// What every command takes is read by its name and type: a command's own of that name would be read as it, and panic.
#[test]
fn no_command_takes_an_argument_of_the_name_of_one_that_all_take() {
    fn look(command: &clap::Command, global: &[clap::Id], path: &str) {
        for inner in command.get_subcommands() {
            let path = format!("{path} {}", inner.get_name());
            for argument in inner.get_arguments().filter(|argument| !argument.is_global_set()) {
                assert!(!global.contains(argument.get_id()), "{path} has its own {}", argument.get_id());
            }
            look(inner, global, &path);
        }
    }
    let cli = Cli::command();
    let global: Vec<_> = cli.get_arguments().filter(|argument| argument.is_global_set()).collect();
    assert!(global.len() > 2);
    look(&cli, &global.iter().map(|argument| argument.get_id().clone()).collect::<Vec<_>>(), "quell");
}

#[test]
fn what_is_typed_is_what_is_asked() {
    for (action, line, params) in examples() {
        let request = parse(&format!("{line} --endpoint web-1 --reason beaconing")).unwrap();
        assert_eq!(request.action, action, "{line}");
        assert_eq!(Value::Object(request.params), params, "{line}");
        (action.declared().check_params)(&params).unwrap();
    }
}

#[test]
fn every_parameter_has_a_flag_with_its_documentation() {
    for action in ActionKind::ALL {
        let schema = (action.declared().params_schema)();
        let args = flags::of(*action);
        let names: Vec<String> =
            schema["properties"].as_object().unwrap().keys().map(|name| name.replace('_', "-")).collect();
        for name in names {
            let arg = args.iter().find(|arg| arg.get_long() == Some(&name));
            let help = arg.and_then(clap::Arg::get_help).map(ToString::to_string).unwrap_or_default();
            assert!(!help.is_empty(), "{}: --{name}", action.id());
        }
    }
}

#[test]
fn a_request_says_what_was_typed_and_nothing_more() {
    let line = "endpoint isolate --endpoint web-1 db-1 --reason x --revert-after 2h --expires-in 1d --confirm-count 2";
    insta::assert_json_snapshot!(body(&parse(line).unwrap()));
    insta::assert_json_snapshot!(body(
        &parse("endpoint restore --all --reason x --confirm-count 3").unwrap()
    ));
    insta::assert_json_snapshot!(body(&parse("endpoint restore --tag web --tag db --reason x").unwrap()));
}

#[test]
fn an_action_for_a_service_names_no_endpoints() {
    let request = parse("blocklist add --objects evil.example --objects 192.0.2.7 --reason x").unwrap();
    let objects = json!([{ "value": "evil.example" }, { "value": "192.0.2.7" }]);
    assert_eq!(Value::Object(request.params), json!({ "objects": objects }));
    assert!(parse("blocklist add --objects evil.example --reason x --endpoint web-1").is_err());
}

#[test]
fn json_parameters_are_taken_and_flags_beside_them_win() {
    let request =
        parse("file collect --params {\"path\":\"/a\",\"max_bytes\":7} --path /b -e x -r y").unwrap();
    assert_eq!(Value::Object(request.params), json!({"path": "/b", "max_bytes": 7}));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("params.json");
    std::fs::write(&file, "{\"script\": \"triage\"}").unwrap();
    let request = parse(&format!("endpoint run-script --params @{} -e x -r y", file.display())).unwrap();
    assert_eq!(Value::Object(request.params), json!({"script": "triage"}));
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_sent() {
    let refused = [
        "endpoint isolate --reason x",
        "endpoint isolate -e a --all --reason x",
        "endpoint isolate -e a",
        "endpoint isolate -e a -r x --allow port=70000",
        "endpoint run-script -e a -r x",
        "endpoint run-script -e a -r x --script s --interpreter perl",
        "process terminate -e a -r x --pid 1",
        "endpoint isolate -e a -r x --revert-after 90",
        "endpoint reboot -e a -r x",
    ];
    let said: Vec<String> = refused
        .iter()
        .map(|line| {
            let error = parse(line).unwrap_err();
            format!(
                "{line}\n    {}",
                error.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n    ")
            )
        })
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn help_is_made_of_the_catalogue() {
    let mut command = Cli::command().term_width(100);
    insta::assert_snapshot!("help", command.render_long_help());
    command.build();
    // Those of all actions are in the reference, which is generated.
    for (action, ..) in examples() {
        let group =
            command.find_subcommand_mut("act").unwrap().find_subcommand_mut(action.spec().group()).unwrap();
        let verb = group.find_subcommand_mut(verb_name(action)).unwrap();
        let help = verb.clone().term_width(100).render_long_help();
        insta::assert_snapshot!(format!("help_{}", action.id()), help);
    }
}
